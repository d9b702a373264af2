import { constants } from 'node:fs'
import { access, mkdir, readdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from '../../lib/config/section.ts'
import { acquireLock } from '../process/lock.ts'
import { type Build, buildMissing, goBuild, type Progress } from './build.ts'
import { type Binaries, buildKey, type Program, programs } from './recipe.ts'
import { requireGo } from './toolchain.ts'

export interface BinariesOptions {
  /** Of our process: `KUBEBUILDER_ASSETS`, `XDG_CACHE_HOME`, and what Go needs. */
  env: Environment
  progress: Progress
  build?: Build
}

/** What the ecosystem's own folders of assets have; the rest may be missing there and is then ours. */
const assetPrograms: readonly Program[] = ['etcd', 'kube-apiserver']

/**
 * The programs of a control plane: from `KUBEBUILDER_ASSETS`, else from this machine's cache, where they are built first
 * if they are missing. Two that come at once build once.
 */
export async function controlPlaneBinaries(options: BinariesOptions, signal: AbortSignal): Promise<Binaries> {
  const { env } = options
  const given = await fromAssets(env.KUBEBUILDER_ASSETS)
  const wanted = programs.filter(program => given[program] === undefined)
  if (wanted.length === 0) return given as Binaries
  const folder = await cacheFolder(env)
  if ((await missingIn(folder, wanted)).length > 0) await fill(folder, wanted, options, signal)
  return {
    ...Object.fromEntries(wanted.map(program => [program, join(folder, program)])),
    ...given,
  } as Binaries
}

/** `$XDG_CACHE_HOME/challenge-operator/control-plane/<key>`; a relative XDG path is void, says its specification. */
export async function cacheFolder(env: Environment): Promise<string> {
  const home = env.XDG_CACHE_HOME?.startsWith('/') ? env.XDG_CACHE_HOME : undefined
  const cache = home ?? join(env.HOME ?? homedir(), '.cache')
  return join(cache, 'challenge-operator', 'control-plane', await buildKey())
}

async function fromAssets(folder: string | undefined): Promise<Partial<Record<Program, string>>> {
  if (folder === undefined || folder === '') return {}
  const missing = await missingIn(folder, programs)
  const vital = assetPrograms.filter(program => missing.includes(program))
  if (vital.length > 0) {
    throw new Error(
      `KUBEBUILDER_ASSETS is ${folder}, but there is no executable ${vital.join(' and no ')} in it. ` +
        'Put it there, or unset KUBEBUILDER_ASSETS to have everything built from source.',
    )
  }
  const found = programs.filter(program => !missing.includes(program))
  return Object.fromEntries(found.map(program => [program, join(folder, program)]))
}

async function fill(
  folder: string,
  wanted: readonly Program[],
  { env, progress, build }: BinariesOptions,
  signal: AbortSignal,
): Promise<void> {
  if (build === undefined) await requireGo(env, signal)
  await mkdir(folder, { recursive: true })
  const onWait = (pid: number) => progress(`process ${pid} is building the control plane; waiting for it…`)
  const lock = await acquireLock(join(folder, '.lock'), onWait, signal)
  try {
    await removeDrafts(folder)
    const missing = await missingIn(folder, wanted)
    await buildMissing(missing, folder, build ?? goBuild(env), progress, signal)
  } finally {
    await lock.release()
  }
}

/** What a killed builder left half-written: up to 100 MB each. */
async function removeDrafts(folder: string): Promise<void> {
  const drafts = (await readdir(folder)).filter(name => programs.some(each => name.startsWith(`.${each}.`)))
  await Promise.all(drafts.map(name => rm(join(folder, name), { force: true })))
}

async function missingIn(folder: string, wanted: readonly Program[]): Promise<Program[]> {
  const there = await Promise.all(wanted.map(program => isExecutable(join(folder, program))))
  return wanted.filter((_, index) => !there[index])
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
