import { chmod, mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cacheFolder, controlPlaneBinaries } from '../../../../local/control-plane/binaries.ts'
import type { Build } from '../../../../local/control-plane/build.ts'
import { programs } from '../../../../local/control-plane/recipe.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../support/temporary-folder.ts'

const { signal } = new AbortController()
let folder: TemporaryFolder
let env: Record<string, string>
let lines: string[]

beforeEach(async () => {
  folder = await temporaryFolder('binaries')
  env = { XDG_CACHE_HOME: folder.path, PATH: join(folder.path, 'path') }
  lines = []
})
afterEach(() => folder.remove())

const progress = (line: string) => void lines.push(line)

function quickBuild() {
  const built: string[] = []
  const build: Build = async (program, output) => {
    built.push(program)
    await writeFile(output, program, { mode: 0o755 })
    await sleep(20)
  }
  return { built, build }
}

/** A `go` on the PATH that answers `go env` so. */
async function fakeGo(answer: string) {
  const path = join(env.PATH ?? '', 'go')
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `#!/bin/sh\nprintf '${answer}'\n`)
  await chmod(path, 0o755)
}

async function leaveLock(holder: { pid: number; host: string }, ageMs: number): Promise<void> {
  const lock = join(await cacheFolder(env), '.lock')
  await mkdir(dirname(lock), { recursive: true })
  await writeFile(lock, JSON.stringify({ ...holder, token: 'theirs' }))
  const then = new Date(Date.now() - ageMs)
  await utimes(lock, then, then)
}

describe('what is missing is built', () => {
  it('once, when two come at the same time, and the other says that it waits', async () => {
    const { built, build } = quickBuild()
    const both = [1, 2].map(() => controlPlaneBinaries({ env, progress, build }, signal))
    const [one, other] = await Promise.all(both)
    expect(built).toEqual([...programs])
    expect(one).toEqual(other)
    expect(await readFile(one?.kwok ?? '', 'utf8')).toBe('kwok')
    expect(lines).toContain(`process ${process.pid} is building the control plane; waiting for it…`)
    expect(lines[0]).toBe('building etcd (1 of 6, about 50 s on 2 cores, once per machine)…')
  })

  it('not again, and only what is missing', async () => {
    const first = await controlPlaneBinaries({ env, progress, ...quickBuild() }, signal)
    await writeFile(first.kubectl, '', { mode: 0o644 })
    await chmod(first.kubectl, 0o644)
    const { built, build } = quickBuild()
    await controlPlaneBinaries({ env, progress, build }, signal)
    await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toEqual(['kubectl'])
  })

  it('after a builder that was killed, whose process id is gone', async () => {
    await leaveLock({ pid: 2 ** 22 + 1, host: hostname() }, 0)
    const { built, build } = quickBuild()
    await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toHaveLength(programs.length)
  })

  it('after a builder on another machine that has not been heard of for half a minute', async () => {
    await leaveLock({ pid: 1, host: 'another' }, 31_000)
    const { built, build } = quickBuild()
    await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toHaveLength(programs.length)
  })

  it('not while that one is alive: the wait ends with the signal', async () => {
    await leaveLock({ pid: 1, host: 'another' }, 0)
    const waiting = controlPlaneBinaries({ env, progress, ...quickBuild() }, AbortSignal.timeout(100))
    await expect(waiting).rejects.toThrow()
    expect(lines).toEqual(['process 1 is building the control plane; waiting for it…'])
  })

  it('leaves nothing half-made when a build fails, and can be tried again', async () => {
    const failing: Build = async (_, output) => {
      await writeFile(output, 'half')
      throw new Error('no memory')
    }
    await expect(controlPlaneBinaries({ env, progress, build: failing }, signal)).rejects.toThrow('no memory')
    const { built, build } = quickBuild()
    await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toHaveLength(programs.length)
  })
})

describe('without what is needed, one error names the ways out', () => {
  const waysOut = /install Go 1\.26.*KUBECONFIG.*KUBEBUILDER_ASSETS/

  it('no Go', async () => {
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow('no `go` was found')
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow(waysOut)
  })

  it.each([
    ['go1.19.8\\nlocal\\n', 'go1.19.8 is too old'],
    ['go1.20.1\\nauto\\n', 'go1.20.1 is too old'],
    ['go1.24.0\\nlocal\\n', 'GOTOOLCHAIN=local forbids'],
  ])('a Go that is too old: %j', async (answer, complaint) => {
    await fakeGo(answer)
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow(complaint)
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow(waysOut)
  })
})

describe('KUBEBUILDER_ASSETS', () => {
  async function assets(names: readonly string[]) {
    const path = join(folder.path, 'assets')
    await mkdir(path)
    for (const name of names) await writeFile(join(path, name), name, { mode: 0o755 })
    env = { ...env, KUBEBUILDER_ASSETS: path }
    return path
  }

  it('is used as it is when all is there', async () => {
    const path = await assets(programs)
    const found = await controlPlaneBinaries({ env, progress }, signal)
    expect(found.kwok).toBe(join(path, 'kwok'))
  })

  it('is completed from the cache when it has what the ecosystem puts there', async () => {
    const path = await assets(['etcd', 'kube-apiserver', 'kubectl'])
    const { built, build } = quickBuild()
    const found = await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toEqual(['kube-controller-manager', 'kube-scheduler', 'kwok'])
    expect(found.etcd).toBe(join(path, 'etcd'))
  })

  it('is refused by name when the servers are missing', async () => {
    await assets(['kube-apiserver'])
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow(/no executable etcd in it/)
  })
})
