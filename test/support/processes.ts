import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Lists the processes whose command line contains `text`, without zombies. */
export async function processesWith(text: string): Promise<string[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'stat=,pid=,args='], { maxBuffer: 16 * 1024 * 1024 })
  return stdout.split('\n').filter(line => line.includes(text) && !/^\s*Z|\bps -A\b/.test(line))
}
