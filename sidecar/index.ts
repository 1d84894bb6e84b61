export { type SidecarOptions, parseSidecarOptions } from './config.ts';
export { sidecarId } from './identity.ts';
export { DEFAULT_POLICY, type NodePolicy, parsePolicy, policyForUp, readPolicy } from './policy.ts';
export { createRouter, type RoutedHook, type Router } from './router.ts';
export { createSidecar, type Sidecar, type SidecarParts } from './sidecar.ts';
