import { describe, expect, it } from 'vitest';

import { podUidIn } from '../../../../../plugins/sources/agent/peer.ts';

const UID = '0f3a1b2c-4d5e-6f70-8192-a3b4c5d6e7f8';
const WITH_UNDERSCORES = UID.replaceAll('-', '_');
const CONTAINER = 'c'.repeat(64);

describe('the pod of a process', () => {
  it.each([
    [
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${WITH_UNDERSCORES}.slice/cri-containerd-${CONTAINER}.scope`,
    ],
    [`0::/kubepods.slice/kubepods-pod${WITH_UNDERSCORES}.slice/crio-${CONTAINER}.scope/container`],
    [`0::/kubepods/besteffort/pod${UID}/${CONTAINER}`],
    [`0::/../../kubepods-besteffort-pod${WITH_UNDERSCORES}.slice/docker-${CONTAINER}.scope`],
    [`12:pids:/kubepods/burstable/pod${UID}/${CONTAINER}\n11:memory:/kubepods/burstable/pod${UID}/${CONTAINER}\n`],
    [`1:name=systemd:/kubelet/kubepods/pod${UID}/${CONTAINER}`],
    [
      `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${WITH_UNDERSCORES}.slice`,
    ],
  ])('is named by %s', (cgroup) => {
    expect(podUidIn(cgroup)).toBe(UID);
  });

  it.each([
    ['0::/user.slice/user-1000.slice/session-1.scope'],
    ['0::/'],
    [`0::/system.slice/docker-${CONTAINER}.scope`],
    ['0::/kubepods/pod-of-nobody'],
    [''],
  ])('is none in %s', (cgroup) => {
    expect(podUidIn(cgroup)).toBe('');
  });
});
