import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitUntil } from '../../local/process/wait.ts'

const cli = join(import.meta.dirname, '../../local/cli.ts')

type Environment = Record<string, string | undefined>

export interface Ended {
  code: number | null
  output: string
}

/** A run of `challenge-operator …` in a process of its own. */
export interface Command {
  child: ChildProcess
  /** Everything printed so far on stdout and stderr. */
  readonly output: string
  /** Resolves once the output contains this text. @throws Error with the output if the process ends before */
  until(text: string): Promise<void>
  ended: Promise<Ended>
}

const patienceMs = 40_000

/** Node keeps compiled modules there, which saves three fifths of the processor time of a short command. */
const compileCache = join(tmpdir(), 'challenge-operator-compile-cache')

/** The environment of a user's shell, without the variables that name external parts. */
export function bareEnvironment(): Environment {
  const { PATH, HOME, XDG_CACHE_HOME, LANG } = process.env
  const { KUBEBUILDER_ASSETS, CHALLENGE_OPERATOR_KUBERNETES } = process.env
  const controlPlane = { KUBEBUILDER_ASSETS, CHALLENGE_OPERATOR_KUBERNETES }
  return { PATH, HOME, XDG_CACHE_HOME, LANG, ...controlPlane, NODE_COMPILE_CACHE: compileCache }
}

/** Where a command runs in place of this repository, and as whom. */
export interface CommandPlace {
  node: string
  /** The folder with the sources. */
  app: string
  /** User and group; undefined: those of this process. */
  user: number | undefined
}

/** @param env the whole environment; default: no external parts */
export function startCommand(
  args: readonly string[],
  env: Environment = bareEnvironment(),
  place?: CommandPlace,
): Command {
  const node = place?.node ?? process.execPath
  const file = place ? join(place.app, 'local/cli.ts') : cli
  const as = place?.user === undefined ? {} : { uid: place.user, gid: place.user, cwd: place.app }
  const child = spawn(node, [file, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'], ...as })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, output }))
  return {
    child,
    get output() {
      return output
    },
    async until(text) {
      const isSaid = async () => {
        if (output.includes(text)) return true
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}`)
        return false
      }
      const said = waitUntil(`"${text}"`, patienceMs, isSaid, AbortSignal.timeout(patienceMs))
      await said.catch(cause => {
        throw new Error(`${(cause as Error).message}; it printed:\n${output}`, { cause })
      })
    },
    ended,
  }
}

export function runCommand(args: readonly string[], env?: Environment): Promise<Ended> {
  return startCommand(args, env).ended
}
