import { expect, it } from 'vitest';

import { Fifo } from '../../../../sidecar/hooks/fifo.ts';

it('a fifo gives what it was given, in order, like an array', () => {
  const fifo = new Fifo<number>();
  const array: number[] = [];
  for (let count = 0; count < 50_000; count++) {
    // More comes than goes, then more goes than comes.
    const draw = Math.random() + (count < 25_000 ? -0.1 : 0.1);
    if (draw < 0.5) {
      fifo.push(count);
      array.push(count);
    } else if (draw < 0.95) expect(fifo.shift()).toBe(array.shift());
    else {
      fifo.unshift(-count);
      array.unshift(-count);
    }
    expect(fifo.length).toBe(array.length);
  }
  expect([...fifo]).toEqual(array);
  fifo.clear();
  expect([fifo.length, fifo.shift(), [...fifo]]).toEqual([0, undefined, []]);
});
