import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder } from './temporary-folder.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')

export interface ImageFolder {
  /** The folder `/app` of the image. */
  app: string
  /** The Node that the image has, as near as this machine has it. */
  node: string
  remove(): Promise<void>
}

/**
 * Makes the files of the image in a folder, as the last stage of the Dockerfile copies them. In place of `npm ci --omit=dev`,
 * the packages of the lock file that are needed without the others are taken from `node_modules`. Everything is
 * readable for everybody, and nothing is writable.
 */
export async function imageFolder(): Promise<ImageFolder> {
  const folder = await temporaryFolder('image')
  const app = join(folder.path, 'app')
  await mkdir(app)
  for (const path of await copiedPaths()) await cp(join(root, path), join(app, path), { recursive: true })
  for (const path of await runtimePackages()) await cp(join(root, path), join(app, path), { recursive: true })
  const node = join(folder.path, 'node')
  await cp(await realpath(process.execPath), node)
  await run('chmod', ['-R', 'a+rX,a-w', app, node])
  return {
    app,
    node,
    async remove() {
      await run('chmod', ['-R', 'u+w', folder.path])
      await folder.remove()
    },
  }
}

/** The paths of the repository that the last stage copies. */
async function copiedPaths(): Promise<string[]> {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))
  return [...last.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '))
}

/** The folders of the packages that `npm ci --omit=dev` installs here. */
async function runtimePackages(): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  // A package inside of another one is copied with it.
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path.lastIndexOf('node_modules/') === 0 && !dev)
    .map(([path]) => path)
}
