import { chmod, mkdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { supportedVersions } from '../../../../lib/kubernetes/supported-versions.ts'
import { cacheFolder, controlPlaneBinaries } from '../../../../local/control-plane/binaries.ts'
import type { Build } from '../../../../local/control-plane/build.ts'
import { buildFlags, kubernetesVersions, programs } from '../../../../local/control-plane/recipe.ts'
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

/** Puts a `go` on the PATH that answers `go env` with this text. */
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

describe('the programs of the control plane', () => {
  it('are built once by two callers at the same time, and the other caller says that it waits', async () => {
    const { built, build } = quickBuild()
    const both = [1, 2].map(() => controlPlaneBinaries({ env, progress, build }, signal))
    const [one, other] = await Promise.all(both)
    expect(built).toEqual([...programs])
    expect(one).toEqual(other)
    expect(await readFile(one?.kwok ?? '', 'utf8')).toBe('kwok')
    expect(lines).toContain(`process ${process.pid} is building the control plane; waiting for it…`)
    expect(lines[0]).toBe('building etcd (1 of 6, about 50 s on 2 cores, once per machine)…')
  })

  it('are not built again, except for a missing one', async () => {
    const first = await controlPlaneBinaries({ env, progress, ...quickBuild() }, signal)
    await writeFile(first.kubectl, '', { mode: 0o644 })
    await chmod(first.kubectl, 0o644)
    const { built, build } = quickBuild()
    await controlPlaneBinaries({ env, progress, build }, signal)
    await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toEqual(['kubectl'])
  })

  it('are built after a builder that was killed left its lock', async () => {
    await leaveLock({ pid: 2 ** 22 + 1, host: hostname() }, 0)
    const { built, build } = quickBuild()
    await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toHaveLength(programs.length)
  })

  it('are built after a builder on another machine left its lock untouched for 30 s', async () => {
    await leaveLock({ pid: 1, host: 'another' }, 31_000)
    const { built, build } = quickBuild()
    await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toHaveLength(programs.length)
  })

  it('are not built while another machine builds, and the wait ends with the signal', async () => {
    await leaveLock({ pid: 1, host: 'another' }, 0)
    const waiting = controlPlaneBinaries({ env, progress, ...quickBuild() }, AbortSignal.timeout(100))
    await expect(waiting).rejects.toThrow()
    expect(lines).toEqual(['process 1 is building the control plane; waiting for it…'])
  })

  it('can be built again after a failed build left a half-written file', async () => {
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

describe('another version of Kubernetes', () => {
  it('is built into a folder of its own when CHALLENGE_OPERATOR_KUBERNETES asks for it', async () => {
    const embedded = await controlPlaneBinaries({ env, progress, ...quickBuild() }, signal)
    env = { ...env, CHALLENGE_OPERATOR_KUBERNETES: supportedVersions.oldest }
    const { built, build } = quickBuild()
    const oldest = await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toEqual([...programs])
    expect(dirname(oldest.kubectl)).not.toBe(dirname(embedded.kubectl))
  })

  it('is refused, with the versions that exist, when it has no recipe', async () => {
    env = { ...env, CHALLENGE_OPERATOR_KUBERNETES: '1.12' }
    await expect(controlPlaneBinaries({ env, progress, ...quickBuild() }, signal)).rejects.toThrow(
      `CHALLENGE_OPERATOR_KUBERNETES is 1.12, but only ${kubernetesVersions.join(' and ')} can be built`,
    )
  })

  it.each(kubernetesVersions)('%s gets the release of its go.mod from the linker', async version => {
    const [major, minor] = version.split('.')
    const flags = (await buildFlags(version)).join(' ')
    expect(flags).toContain(`version.gitVersion=v${version}.`)
    expect(flags).toMatch(new RegExp(`gitMajor=${major} .*gitMinor=${minor}$`))
  })
})

describe('the error without a usable Go', () => {
  const waysOut = /install Go 1\.26.*KUBECONFIG.*KUBEBUILDER_ASSETS/

  it('says that Go is missing, and names the ways out', async () => {
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow('no `go` was found')
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow(waysOut)
  })

  it.each([
    ['go1.19.8\\nlocal\\n', 'go1.19.8 is too old'],
    ['go1.20.1\\nauto\\n', 'go1.20.1 is too old'],
    ['go1.24.0\\nlocal\\n', 'GOTOOLCHAIN=local forbids'],
  ])('says that %j is too old, and names the ways out', async (answer, complaint) => {
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

  it('is used when it holds every program', async () => {
    const path = await assets(programs)
    const found = await controlPlaneBinaries({ env, progress }, signal)
    expect(found.kwok).toBe(join(path, 'kwok'))
  })

  it('is completed from the cache when it holds the servers', async () => {
    const path = await assets(['etcd', 'kube-apiserver', 'kubectl'])
    const { built, build } = quickBuild()
    const found = await controlPlaneBinaries({ env, progress, build }, signal)
    expect(built).toEqual(['kube-controller-manager', 'kube-scheduler', 'kwok'])
    expect(found.etcd).toBe(join(path, 'etcd'))
  })

  it('is refused, with the names of the missing programs, when a server is missing', async () => {
    await assets(['kube-apiserver'])
    await expect(controlPlaneBinaries({ env, progress }, signal)).rejects.toThrow(/no executable etcd in it/)
  })
})
