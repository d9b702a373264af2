import { readFile } from 'node:fs/promises'

/** The kernel reports hundredths of a second, whatever the rate of its own clock. */
const tickMs = 10

/** Time of all processors since the machine started, in ticks. */
export interface Processors {
  all: number
  /** Ticks in which a process was ready to run, but the host gave the processor to another machine. */
  stolen: number
}

/** Returns undefined on a machine without `/proc`. */
export async function processors(): Promise<Processors | undefined> {
  const text = await readFile('/proc/stat', 'utf8').catch(() => undefined)
  // "cpu", then user, nice, system, idle, iowait, irq, softirq and steal; guest time after them is in user already.
  const ticks = text?.split('\n')[0]?.split(/ +/).slice(1, 9).map(Number)
  return ticks && { all: ticks.reduce((sum, each) => sum + each, 0), stolen: ticks[7] ?? 0 }
}

/** Stolen time in percent of the time between the two; undefined if one of them is. */
export function stolenPercent(from: Processors | undefined, to: Processors | undefined): number | undefined {
  if (from === undefined || to === undefined || to.all === from.all) return undefined
  return ((to.stolen - from.stolen) / (to.all - from.all)) * 100
}

/** Processor time of one process since it started, in milliseconds. Undefined on a machine without `/proc`. */
export async function processorMs(pid: number | undefined): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && (Number(fields[11]) + Number(fields[12])) * tickMs
}
