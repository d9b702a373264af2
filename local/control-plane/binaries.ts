import { constants } from 'node:fs'
import { access, mkdir, readdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from '../../lib/config/section.ts'
import { acquireLock } from '../process/lock.ts'
import { type Build, buildMissing, goBuild, type Progress } from './build.ts'
import { type Binaries, buildKey, chosenKubernetes, type Program, programs } from './recipe.ts'
import { requireGo } from './toolchain.ts'

export interface BinariesOptions {
  /** The environment of this process: `KUBEBUILDER_ASSETS`, `CHALLENGE_OPERATOR_KUBERNETES`, `XDG_CACHE_HOME`, and what Go reads. */
  env: Environment
  progress: Progress
  build?: Build
}

/** Programs that every folder of kubebuilder's assets has. The others may be missing there, and are then built. */
const assetPrograms: readonly Program[] = ['etcd', 'kube-apiserver']

/**
 * Finds the programs of a control plane in `KUBEBUILDER_ASSETS` or in this machine's cache. Programs that are missing in
 * the cache are built first. Two processes at the same time build once.
 */
export async function controlPlaneBinaries(options: BinariesOptions, signal: AbortSignal): Promise<Binaries> {
  const { env } = options
  const assets = await fromAssets(env.KUBEBUILDER_ASSETS)
  const wanted = programs.filter(program => assets[program] === undefined)
  if (wanted.length === 0) return assets as Binaries
  const folder = await cacheFolder(env)
  if ((await missingIn(folder, wanted)).length > 0) await fill(folder, wanted, options, signal)
  return {
    ...Object.fromEntries(wanted.map(program => [program, join(folder, program)])),
    ...assets,
  } as Binaries
}

/** `$XDG_CACHE_HOME/challenge-operator/control-plane/<key>`. The XDG specification says to ignore a relative path. */
export async function cacheFolder(env: Environment): Promise<string> {
  const home = env.XDG_CACHE_HOME?.startsWith('/') ? env.XDG_CACHE_HOME : undefined
  const cache = home ?? join(env.HOME ?? homedir(), '.cache')
  return join(cache, 'challenge-operator', 'control-plane', await buildKey(chosenKubernetes(env)))
}

async function fromAssets(folder: string | undefined): Promise<Partial<Record<Program, string>>> {
  if (folder === undefined || folder === '') return {}
  const missing = await missingIn(folder, programs)
  const required = assetPrograms.filter(program => missing.includes(program))
  if (required.length > 0) {
    throw new Error(
      `KUBEBUILDER_ASSETS is ${folder}, but there is no executable ${required.join(' and no ')} in it. ` +
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

/** Removes the half-written programs of a builder that was killed, up to 100 MB each. */
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
