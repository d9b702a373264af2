import { expect, it } from 'vitest'
import { realTimers } from '../../../../lib/abort.ts'
import { createLeadership } from '../../../../lib/forward/send/leadership.ts'

it('ends the hand-over of a forwarder that leads again, since no limit applies meanwhile', async () => {
  const until: AbortSignal[] = []
  const sender = {
    async flushed(signal: AbortSignal) {
      until.push(signal)
      if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve))
    },
    clear: () => calls.push('clear'),
    interrupt() {},
    resume() {},
  }
  const calls: string[] = []
  const leadership = createLeadership(realTimers)
  const { onLeading, onFollowing } = leadership.callbacks({
    sender,
    begin: () => calls.push('begin'),
    end: () => calls.push('end'),
  })
  onLeading(() => true)
  onFollowing({ inOrder: true, foreign: true })
  expect([calls, until.map(({ aborted }) => aborted)]).toEqual([['begin', 'end'], [false]])
  onLeading(() => true)
  expect(until.map(({ aborted }) => aborted)).toEqual([true])
  await leadership.handedOver()
  // What it judged since is not forgotten.
  expect(calls).toEqual(['begin', 'end', 'begin'])
})
