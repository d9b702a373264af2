import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const script = join(import.meta.dirname, '../integration/local/parent.ts')

/** Starts a part from a process of its own, and kills that process (SIGKILL) as soon as the part runs. */
export async function startAndKillParent(
  part: 'control-plane' | 'postgres',
  directory: string,
): Promise<void> {
  const child = spawn(process.execPath, [script, part, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const first = await Promise.race([once(child.stdout, 'data'), exited.then(() => 'ended')])
  if (first === 'ended') throw new Error('the parent ended on its own')
  child.kill('SIGKILL')
  await exited
}
