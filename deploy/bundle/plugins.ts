import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { Plugin } from 'esbuild'

const root = resolve(import.meta.dirname, '../..')

/** Where each bundle has its source map and its list of inputs. They are kept with a deployment, not deployed. */
export const bundleRecords = join(root, 'dist/bundles')

const here = (file: string) => join(import.meta.dirname, file)

/** Modules that no deployed function runs, by the end of their path, and what a bundle has in their place. */
const replaced: readonly { module: RegExp; by: string }[] = [
  // The entry of the package loads every dispatcher, the mocks, fetch, WebSocket and the caches.
  { module: /^undici$/, by: here('undici-dispatchers.cjs') },
  // Bodies of requests are text, so nothing asks for the form data of fetch.
  { module: /\/web\/(webidl|fetch\/(formdata|body))(\.js)?$/, by: here('no-form-data.cjs') },
  // A fallback for processors without SIMD. Each processor that Lambda has knows it.
  { module: /\/llhttp-wasm\.js$/, by: here('no-fallback.cjs') },
  // SOCKS is no proxy that a kubeconfig may name here.
  { module: /\/socks5-proxy-agent$/, by: here('no-fallback.cjs') },
  // Lambda gives its credentials by the environment. Elsewhere the sources run, with every provider of the SDK.
  { module: /^@aws-sdk\/credential-provider-node$/, by: here('environment-credentials.ts') },
]

/** A deployed function has the address of its cluster in its environment, so it parses no kubeconfig. */
const parser = { module: /^\.\/kubeconfig\.ts$/, by: here('no-kubeconfig.ts') }

const replace = (name: string, modules: typeof replaced): Plugin => ({
  name,
  setup({ onResolve }) {
    for (const { module, by } of modules)
      onResolve({ filter: module }, ({ importer }) =>
        importer.startsWith(import.meta.dirname) ? undefined : { path: by },
      )
  },
})

/** Also for bundles of benches, which read a kubeconfig. */
export const replaceUnused = replace('replace-unused', replaced)

/** Writes source maps and lists of inputs to `bundleRecords`, since everything beside a bundle goes into its zip. */
const keepRecordsApart: Plugin = {
  name: 'keep-records-apart',
  setup({ initialOptions, onEnd }) {
    const { outdir = '' } = initialOptions
    Object.assign(initialOptions, { write: false, metafile: true })
    onEnd(({ outputFiles = [], metafile }) => {
      for (const { path, contents } of outputFiles) {
        // The folders above the handlers depend on where the package is built.
        const record = join(bundleRecords, recordFolder(path), relative(outdir, path))
        const isMap = path.endsWith('.map')
        write(isMap ? record : path, contents)
        if (!isMap) write(`${record}.meta.json`, JSON.stringify(metafile))
      }
    })
  },
}

/** The folder of a handler within the project, such as functions/reconcile. */
function recordFolder(path: string): string {
  return dirname(path).match(/functions\/[^/]+$/)?.[0] ?? ''
}

function write(path: string, contents: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, contents)
}

/** What the bundle of a function is made with, wherever it is written to. */
export const ofFunctions: readonly Plugin[] = [replaceUnused, replace('replace-kubeconfig', [parser])]

/** What serverless-esbuild loads. */
export default [...ofFunctions, keepRecordsApart]
