import { readFile } from 'node:fs/promises'

/** The kernel counts in hundredths of a second, whatever its own clock. */
const tickMs = 10

/** What the whole machine's processors did since it started, in ticks. */
export interface Processors {
  all: number
  /** Ready to run, while the host gave the processor to another machine. */
  stolen: number
}

/** Undefined where there is no `/proc`. */
export async function processors(): Promise<Processors | undefined> {
  const text = await readFile('/proc/stat', 'utf8').catch(() => undefined)
  // "cpu", then user, nice, system, idle, iowait, irq, softirq and steal; guest time after them is in user already.
  const ticks = text?.split('\n')[0]?.split(/ +/).slice(1, 9).map(Number)
  return ticks && { all: ticks.reduce((sum, each) => sum + each, 0), stolen: ticks[7] ?? 0 }
}

/** In percent of all of it between the two; undefined where one of them is. */
export function stolenPercent(from: Processors | undefined, to: Processors | undefined): number | undefined {
  if (from === undefined || to === undefined || to.all === from.all) return undefined
  return ((to.stolen - from.stolen) / (to.all - from.all)) * 100
}

/** Processor time of one process since it started, in milliseconds; undefined where there is no `/proc`. */
export async function processorMs(pid: number | undefined): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && (Number(fields[11]) + Number(fields[12])) * tickMs
}
