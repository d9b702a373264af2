import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

export const programs = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kwok',
  'kubectl',
] as const
export type Program = (typeof programs)[number]

/** The path of each program. */
export type Binaries = Readonly<Record<Program, string>>

interface Recipe {
  /** Folder of the `go.mod` that pins it. */
  module: string
  package: string
  /** Seconds of a cold build on 2 cores, measured: the first of a module pays for the module's downloads. */
  seconds: number
}

const source = resolve(import.meta.dirname, '../../tools/control-plane')
const modules = ['etcd', 'kubernetes', 'kwok']

export const recipes: Readonly<Record<Program, Recipe>> = {
  etcd: { module: join(source, 'etcd'), package: 'go.etcd.io/etcd/server/v3', seconds: 50 },
  'kube-apiserver': kubernetes('kube-apiserver', 280),
  'kube-controller-manager': kubernetes('kube-controller-manager', 60),
  'kube-scheduler': kubernetes('kube-scheduler', 10),
  kwok: { module: join(source, 'kwok'), package: 'sigs.k8s.io/kwok/cmd/kwok', seconds: 65 },
  kubectl: kubernetes('kubectl', 20),
}

function kubernetes(name: string, seconds: number): Recipe {
  return { module: join(source, 'kubernetes'), package: `k8s.io/kubernetes/cmd/${name}`, seconds }
}

/** The linker gets the release that `go.mod` pins. Without it the API server reports the version v0.0.0. */
export async function buildFlags(): Promise<string[]> {
  const pinned = await readFile(join(source, 'kubernetes/go.mod'), 'utf8')
  const version = /k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\d+)/.exec(pinned)
  if (version === null) throw new Error('tools/control-plane/kubernetes/go.mod names no k8s.io/kubernetes')
  const [, release, major, minor] = version
  const stamp = 'k8s.io/component-base/version.git'
  const linker = `-s -w -X ${stamp}Version=${release} -X ${stamp}Major=${major} -X ${stamp}Minor=${minor}`
  return ['-mod=readonly', '-trimpath', '-ldflags', linker]
}

/** The name of the cache folder. It changes with versions, checksums, flags and platform, as the programs do. */
export async function buildKey(): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([await buildFlags(), process.platform, process.arch]))
  for (const module of modules) {
    for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(join(source, module, file)))
  }
  return hash.digest('hex').slice(0, 16)
}
