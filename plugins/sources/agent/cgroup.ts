/** The pod that a process is in, by the names of its control groups. */

/** Kubernetes' own ids, and the hash of a static pod's file. systemd's names have `_` for `-`. */
const UID = '([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})';
/** Driver systemd: `kubepods-burstable-podUID.slice`; where containerd was not told of it, the container follows after colons. */
const SLICE = new RegExp(`^(?:[a-z0-9]+-)*kubepods(?:-burstable|-besteffort)?-pod${UID}\\.slice(?::.*)?$`);
/** Driver cgroupfs. */
const FOLDER = new RegExp(`^pod${UID}$`);
/** What a pod's folder lies in; `..` where ours is another pod and the kernel counts from there. */
const PARENTS = new Set(['kubepods', 'burstable', 'besteffort', '..']);
/**
 * UID of the pod in the text of `/proc/PID/cgroup` (v1 and v2, drivers systemd and cgroupfs, containerd, CRI-O and Docker), as
 * Kubernetes writes it; of a static pod its hash, which the API server knows as `kubernetes.io/config.hash`. The outermost one counts:
 * below its own a pod may name groups as it likes. '' for none, and where the hierarchies of v1 name two.
 */
export function podUidIn(text: string): string {
  const uids = text
    .split('\n')
    .map((line) => podInPath(/^\d+:[^:]*:(\/.*?)(?: \(deleted\))?$/.exec(line)?.[1] ?? ''))
    .filter((uid) => uid !== '');
  const [first = ''] = uids;
  return uids.every((uid) => uid === first) ? first : '';
}

function podInPath(path: string): string {
  const names = path.split('/').slice(1);
  for (const [place, name] of names.entries()) {
    // What is below belongs to people, who may name it as they like.
    if (name === 'user.slice') return '';
    const inSlice = SLICE.exec(name)?.[1];
    const inFolder = PARENTS.has(names[place - 1] ?? '') ? FOLDER.exec(name)?.[1] : undefined;
    const uid = inSlice ?? inFolder;
    if (uid !== undefined) return uid.replaceAll('_', '-');
  }
  return '';
}
