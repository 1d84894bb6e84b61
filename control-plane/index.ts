export { type ControlPlaneConfig, dataFiles, dataFolder } from './config.ts';
export { type ControlPlane, type ControlPlaneOptions, createControlPlane } from './control-plane.ts';
export type { GrpcService } from './server.ts';
