import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { podUidIn } from '../../../../../plugins/sources/agent/cgroup.ts';
import { podUidOf } from '../../../../../plugins/sources/agent/peer.ts';

const UID = '2b6c9d5e-0f1a-4c3b-8d7e-9a0b1c2d3e4f';
const OTHER = '11111111-2222-4333-8444-555555555555';
const UNDERSCORED = UID.replaceAll('-', '_');
const HASH = '9dc2b0a1f3d5c9b0b9e2ad2eb7b4d9e4';
const ID = '4f3c2b1a09e8d7c6b5a4f3e2d1c0b9a84f3c2b1a09e8d7c6b5a4f3e2d1c0b9a8';
const INNER = '00000000000000000000000000000000000000000000000000000000000000ff';
const BURSTABLE = '/kubepods.slice/kubepods-burstable.slice';

describe('the pod in /proc/PID/cgroup', () => {
  it.each<[string, string]>([
    [
      'v2, systemd, containerd',
      `0::${BURSTABLE}/kubepods-burstable-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    ],
    ['v2, systemd, CRI-O', `0::${BURSTABLE}/kubepods-burstable-pod${UNDERSCORED}.slice/crio-${ID}.scope`],
    [
      'v2, systemd, CRI-O, the container',
      `0::${BURSTABLE}/kubepods-burstable-pod${UNDERSCORED}.slice/crio-${ID}.scope/container`,
    ],
    [
      'v2, systemd, Docker',
      `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UNDERSCORED}.slice/docker-${ID}.scope`,
    ],
    ['v2, systemd, guaranteed', `0::/kubepods.slice/kubepods-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`],
    ['v2, cgroupfs, containerd', `0::/kubepods/burstable/pod${UID}/${ID}`],
    ['v2, cgroupfs, CRI-O', `0::/kubepods/besteffort/pod${UID}/crio-${ID}`],
    ['v2, cgroupfs, guaranteed', `0::/kubepods/pod${UID}/${ID}`],
    ['v2, systemd inside of the container', `0::/kubepods/burstable/pod${UID}/${ID}/init.scope`],
    [
      'v2, a node in a container (kind)',
      `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    ],
    ['v1, a node in a container', `4:memory:/docker/${INNER}/kubelet/kubepods/burstable/pod${UID}/${ID}`],
    [
      'v2, containerd that was not told of systemd',
      `0::/system.slice/containerd.service/kubepods-burstable-pod${UNDERSCORED}.slice:cri-containerd:${ID}`,
    ],
    [
      'v2, seen from another pod, systemd',
      `0::/../../kubepods-burstable.slice/kubepods-burstable-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    ],
    ['v2, seen from another pod, cgroupfs', `0::/../../pod${UID}/${ID}`],
    ['v2, a container that is going', `0::/kubepods/burstable/pod${UID}/${ID} (deleted)`],
    [
      'v1, cgroupfs',
      `12:pids:/kubepods/burstable/pod${UID}/${ID}\n11:memory:/kubepods/burstable/pod${UID}/${ID}\n1:name=systemd:/kubepods/burstable/pod${UID}/${ID}\n`,
    ],
    [
      'v1, systemd',
      `11:cpu,cpuacct:/kubepods.slice/kubepods-pod${UNDERSCORED}.slice/docker-${ID}.scope\n1:name=systemd:/kubepods.slice/kubepods-pod${UNDERSCORED}.slice/docker-${ID}.scope`,
    ],
    ['v1 and v2 together', `10:memory:/kubepods/burstable/pod${UID}/${ID}\n0::/system.slice/containerd.service\n`],
    ['Docker inside of a container', `0::/kubepods/burstable/pod${UID}/${ID}/docker/${INNER}`],
    ['a pod that names groups like another’s', `0::/kubepods/burstable/pod${UID}/${ID}/kubepods/pod${OTHER}/${INNER}`],
  ])('is found: %s', (_form, text) => {
    expect(podUidIn(text)).toBe(UID);
  });

  it('is the hash of its file for a static pod', () => {
    const systemd = `0::${BURSTABLE}/kubepods-burstable-pod${HASH}.slice/cri-containerd-${ID}.scope`;
    for (const text of [systemd, `0::/kubepods/burstable/pod${HASH}/${ID}`]) expect(podUidIn(text)).toBe(HASH);
  });

  it.each([
    ['nothing', ''],
    ['the root', '0::/'],
    ['a service of the node', '0::/system.slice/sshd.service'],
    ['a container without Kubernetes', `0::/system.slice/docker-${ID}.scope`],
    [
      'a user who names groups like a pod’s',
      `0::/user.slice/user-1000.slice/user@1000.service/kubepods.slice/kubepods-pod${UNDERSCORED}.slice/x`,
    ],
    ['a user, seen from a pod', `0::/../../../user.slice/user-1000.slice/kubepods/pod${UID}/${ID}`],
    ['a folder of that name elsewhere', `0::/system.slice/pod${UID}/${ID}`],
    ['a uid that is none', `0::/kubepods/burstable/pod${UID.slice(1)}/${ID}`],
    ['two pods in one text', `5:cpu:/kubepods/pod${UID}/${ID}\n4:memory:/kubepods/pod${OTHER}/${INNER}`],
    ['text of another form', `kubepods/burstable/pod${UID}/${ID}`],
  ])('is not found: %s', (_form, text) => {
    expect(podUidIn(text)).toBe('');
  });
});

describe('the pod of a peer', () => {
  function procOf(pid: number): string {
    const proc = mkdtempSync(join(tmpdir(), 'trotline-proc-'));
    onTestFinished(() => rmSync(proc, { recursive: true }));
    mkdirSync(join(proc, String(pid)));
    writeFileSync(join(proc, String(pid), 'cgroup'), `0::/kubepods/burstable/pod${UID}/${ID}\n`);
    return proc;
  }

  it('is the one of its process, if that is still the same after the look', () => {
    const proc = procOf(17);
    expect(podUidOf({ pid: 17, isSame: () => true }, proc)).toBe(UID);
    expect(podUidOf({ pid: 17, isSame: () => false }, proc)).toBe('');
  });

  it('is not known of a process that has ended or has no number here', () => {
    const proc = procOf(0);
    expect(podUidOf({ pid: 18, isSame: () => true }, proc)).toBe('');
    expect(podUidOf({ pid: 0, isSame: () => true }, proc)).toBe('');
  });
});
