import { existsSync } from 'node:fs'
import { mkdir, readdir, symlink } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../../../lib/version.ts'
import { bareEnvironment, runCommand } from '../../support/command.ts'
import { type ExternalEnvironment, externalEnvironment } from '../../support/external-environment.ts'
import { processesWith } from '../../support/processes.ts'
import { sharedControlPlane } from '../../support/shared-parts.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

let folder: TemporaryFolder
let parts: ExternalEnvironment
let external: ExternalEnvironment['env']

beforeAll(async () => {
  folder = await temporaryFolder('cli-refusals')
  parts = await externalEnvironment(sharedControlPlane().kubeconfig)
  external = parts.env
})
afterAll(async () => {
  await parts?.database.remove()
  await folder?.remove()
})

describe('a command that cannot start', () => {
  test.each(['up', 'doctor', 'get', 'crds'])(
    '%s names every problem of the configuration at once and exits with 78',
    async command => {
      const wrong = {
        OPERATOR_INTERVAL: 'soon',
        OPERATOR_NAMESPACES: 'a',
        FLAG_SECRET: 'short',
        OPERATOR_DNS: '?',
        DATABASE_URL: command === 'get' || command === 'crds' ? external.DATABASE_URL : 'mysql://a:short@b/c',
      }
      const directory = join(folder.path, 'never')
      const args = command === 'up' ? [command, '--directory', directory] : [command]
      const { code, output } = await runCommand(args, { ...external, ...wrong })
      for (const [name, value] of Object.entries(wrong))
        if (value !== external[name]) expect(output).toContain(name)
      expect(output).not.toContain('    at ')
      expect(output).not.toContain('short\n')
      expect(code).toBe(78)
      expect(existsSync(join(directory, 'postgres'))).toBe(false)
    },
  )

  test('a kubeconfig that does not exist ends a command with 78', async () => {
    const { code, output } = await runCommand(['get'], { ...external, KUBECONFIG: '/no/such/file' })
    expect(output).toMatch(/^KUBECONFIG names \/no\/such\/file, which does not exist/)
    expect(code).toBe(78)
  })

  test('--version prints the version of the package', async () => {
    expect(await runCommand(['--version'])).toEqual({ code: 0, output: `${version}\n` })
  })

  test('doctor says so if no part is named', async () => {
    const { code, output } = await runCommand(['doctor'])
    expect(output).toContain('No part is named, so nothing was checked.')
    expect(output).not.toContain('All is well')
    expect(code).toBe(0)
  })

  test('up without Go and without a cluster names the ways out and leaves no process behind', async () => {
    const empty = join(folder.path, 'empty')
    await mkdir(empty)
    const env = {
      ...bareEnvironment(),
      PATH: await pathWithoutGo(),
      XDG_CACHE_HOME: empty,
      KUBEBUILDER_ASSETS: undefined,
    }
    const { code, output } = await runCommand(['up', '--directory', join(folder.path, 'no-go')], env)
    const complaint = output
      .split('\n')
      .filter(line => !/^(cluster|database|queues|event bus): /.test(line))
      .join('\n')
    expect(complaint).toMatch(
      /^The embedded control plane has to be built once.*no `go` was found on the PATH/,
    )
    for (const way of ['install Go', 'KUBECONFIG', 'KUBEBUILDER_ASSETS']) expect(complaint).toContain(way)
    expect(complaint.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(1)
    expect(await processesWith(folder.path)).toEqual([])
  })

  test('up --reset in a folder of somebody else removes nothing and exits with 1', async () => {
    const home = join(folder.path, 'home')
    await mkdir(join(home, 'postgres'), { recursive: true })
    const { code, output } = await runCommand(['up', '--reset', '--directory', home], external)
    expect(output).toMatch(/^--reset removes nothing: .* was not made by this command/)
    expect(code).toBe(1)
    expect(await readdir(home)).toEqual(['postgres'])
  })

  test.each([
    ['migrate', 'DATABASE_URL'],
    ['close-rows', 'DATABASE_URL'],
    ['get', 'KUBECONFIG'],
    ['crds', 'KUBECONFIG'],
    ['forward', 'CHANGES_QUEUE_URL'],
  ])('%s without %s names that variable', async (command, variable) => {
    const { code, output } = await runCommand([command])
    expect(output).toContain(variable)
    if (command === 'forward') expect(output).toContain('No cluster is given')
    expect(code).toBe(78)
  })
})

/** Returns the PATH with each folder that holds `go` replaced by links to everything else in it. */
async function pathWithoutGo(): Promise<string> {
  const without = (process.env.PATH ?? '').split(delimiter).map(async (each, index) => {
    if (!existsSync(join(each, 'go'))) return each
    const links = join(folder.path, `path-${index}`)
    await mkdir(links)
    for (const name of await readdir(each))
      if (name !== 'go') await symlink(join(each, name), join(links, name))
    return links
  })
  return (await Promise.all(without)).join(delimiter)
}
