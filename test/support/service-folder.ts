import { execFile } from 'node:child_process'
import { copyFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder } from './temporary-folder.ts'

const root = resolve(import.meta.dirname, '../..')

/** What a command writes, and what a checkout has that is no part of the service. */
const left = /^(\.git|\.serverless|\.esbuild|\.local|dist|deploy\.[^.]+\.yml)$/

export interface ServiceFolder {
  path: string
  /** Runs `serverless` in the folder. @returns what it prints and the code with which it ends */
  serverless(args: string[], environment?: Record<string, string>): Promise<{ output: string; code: number }>
  remove(): Promise<void>
}

/** A service folder is the checkout with cluster files of a test. @param files the texts of `deploy.<cluster>.yml` by cluster */
export async function serviceFolder(files: Record<string, string>): Promise<ServiceFolder> {
  const { path, remove } = await temporaryFolder('service')
  const entries = (await readdir(root, { withFileTypes: true })).filter(({ name }) => !left.test(name))
  await Promise.all(
    entries.map(entry =>
      // osls accepts no link as its configuration.
      (entry.isDirectory() ? symlink : copyFile)(join(root, entry.name), join(path, entry.name)),
    ),
  )
  for (const [cluster, text] of Object.entries(files))
    await writeFile(join(path, `deploy.${cluster}.yml`), text)
  return {
    path,
    remove,
    async serverless(args, environment = {}) {
      // No credentials, no configuration: what a fresh machine has.
      const env = { PATH: process.env.PATH, HOME: path, AWS_EC2_METADATA_DISABLED: 'true', ...environment }
      const command = join(root, 'node_modules/.bin/serverless')
      try {
        const { stdout, stderr } = await promisify(execFile)(command, args, {
          cwd: path,
          env,
          timeout: 300_000,
        })
        return { output: stdout + stderr, code: 0 }
      } catch (thrown) {
        const { stdout, stderr, code } = thrown as { stdout: string; stderr: string; code: number }
        return { output: `${stdout}${stderr}`, code }
      }
    },
  }
}
