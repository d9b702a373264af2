import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Lambda gives a function its share of a processor by its memory, a whole one at this many MB. */
export const wholeProcessorMb = 1_769
const periodMicroseconds = 20_000
const controlGroups = '/sys/fs/cgroup/cpu'

export interface ProcessorShare {
  /** Arguments for `/bin/sh`: the shell joins the group before it becomes the program. */
  run(program: readonly string[]): string[]
  /** Milliseconds for which processes of the group had to wait because their share was used up. */
  throttledMs(): Promise<number>
  remove(): Promise<void>
}

/**
 * Makes a control group of Linux (version 1, as root) with the share of a processor that Lambda gives to a function of this
 * memory, in each 20 ms.
 */
export async function processorShare(name: string, memory: number): Promise<ProcessorShare> {
  const group = join(controlGroups, `${name}-${process.pid}`)
  await mkdir(group)
  await writeFile(join(group, 'cpu.cfs_period_us'), String(periodMicroseconds))
  const quota = Math.round((periodMicroseconds * memory) / wholeProcessorMb)
  await writeFile(join(group, 'cpu.cfs_quota_us'), String(quota))
  return {
    run: program => ['-c', 'echo $$ > "$0/tasks" && exec "$@"', group, ...program],
    async throttledMs() {
      const text = await readFile(join(group, 'cpu.stat'), 'utf8')
      return Number(text.match(/throttled_time (\d+)/)?.[1] ?? 0) / 1e6
    },
    remove: () => rmdir(group),
  }
}
