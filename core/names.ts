/** Every span name and span attribute is spelled here. Log fields follow the design's words: hook, event, source, action. */
export const SPAN = {
  emit: 'emit',
  route: 'route',
  claim: 'claim',
  attempt: 'attempt',
  report: 'report',
  store: 'store',
  configApply: 'config.apply',
} as const;

export const ATTRIBUTE = {
  node: 'trotline.node',
  eventId: 'trotline.event.id',
  eventType: 'trotline.event.type',
  eventCount: 'trotline.event.count',
  hook: 'trotline.hook',
  hookCount: 'trotline.hook.count',
  action: 'trotline.action',
  attempt: 'trotline.attempt.number',
  deliveryId: 'trotline.delivery.id',
  result: 'trotline.result',
  reason: 'trotline.reason',
  claim: 'trotline.claim',
  fence: 'trotline.fence',
  configVersion: 'trotline.config.version',
} as const;

export const TRACER = 'trotline';
