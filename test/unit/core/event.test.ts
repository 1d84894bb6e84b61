import { CloudEvent } from 'cloudevents';
import { describe, expect, it } from 'vitest';

import { cloudEvent, type TrotlineEvent } from '#core';

const event: TrotlineEvent = {
  id: 'netlink-f00d-7',
  source: 'netlink',
  node: 'lap 1/ü',
  life: 'f00d',
  type: 'netlink.link-added',
  subject: 'veth3',
  time: 1_700_000_000_123,
  sequence: 7,
  synthetic: false,
  interface: 'veth3',
  namespace: '',
  messageType: 16,
  eventType: 1,
  attributes: { 'netlink.link.mtu': 1500, 'netlink.link.index': 2n ** 60n, up: true, absent: undefined },
};

describe('an event as a CloudEvent', () => {
  it('is valid by the rules of the specification', () => {
    expect(new CloudEvent({ ...cloudEvent(event) }).validate()).toBe(true);
  });

  it('has big numbers as text and leaves absent attributes out', () => {
    const json: unknown = JSON.parse(JSON.stringify(cloudEvent(event)));
    expect(json).toEqual({
      specversion: '1.0',
      id: 'netlink-f00d-7',
      source: '//trotline/lap%201%2F%C3%BC/netlink',
      type: 'netlink.link-added',
      subject: 'veth3',
      time: '2023-11-14T22:13:20.123Z',
      datacontenttype: 'application/json',
      node: 'lap 1/ü',
      sequence: '7',
      data: {
        interface: 'veth3',
        namespace: '',
        message_type: 16,
        event_type: 1,
        attributes: { 'netlink.link.mtu': 1500, 'netlink.link.index': '1152921504606846976', up: true },
      },
    });
  });

  it('carries the trace of whoever caused it', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(cloudEvent({ ...event, traceparent }).traceparent).toBe(traceparent);
  });
});
