import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Environment } from '../../lib/config/section.ts'

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
}

/** Seconds of a cold build on 2 cores, measured: the first of a module pays for the module's downloads. */
export const buildSeconds: Readonly<Record<Program, number>> = {
  etcd: 50,
  'kube-apiserver': 280,
  'kube-controller-manager': 60,
  'kube-scheduler': 10,
  kwok: 65,
  kubectl: 20,
}

const source = resolve(import.meta.dirname, '../../tools/control-plane')

/**
 * Minor versions of Kubernetes that can be built, each with the folder of its `go.mod`. The first one is embedded. The
 * others are for tests: the last one is the oldest supported version. etcd and kwok are the same for all.
 */
const kubernetesFolders = { '1.36': 'kubernetes', '1.34': 'kubernetes-1.34' } as const
export type KubernetesVersion = keyof typeof kubernetesFolders
export const kubernetesVersions = Object.keys(kubernetesFolders) as readonly KubernetesVersion[]

const embedded: KubernetesVersion = '1.36'

/**
 * The version of Kubernetes that `CHALLENGE_OPERATOR_KUBERNETES` asks for, or the embedded one.
 * @throws Error for a version without a `go.mod`
 */
export function chosenKubernetes({ CHALLENGE_OPERATOR_KUBERNETES: asked }: Environment): KubernetesVersion {
  if (asked === undefined || asked === '') return embedded
  const known = kubernetesVersions.find(each => each === asked)
  if (known) return known
  throw new Error(
    `CHALLENGE_OPERATOR_KUBERNETES is ${asked}, but only ${kubernetesVersions.join(' and ')} can be built`,
  )
}

/** How a program is built, for this version of Kubernetes. */
export function recipeOf(program: Program, version: KubernetesVersion): Recipe {
  switch (program) {
    case 'etcd':
      return { module: join(source, 'etcd'), package: 'go.etcd.io/etcd/server/v3' }
    case 'kwok':
      return { module: join(source, 'kwok'), package: 'sigs.k8s.io/kwok/cmd/kwok' }
    default:
      return { module: join(source, kubernetesFolders[version]), package: `k8s.io/kubernetes/cmd/${program}` }
  }
}

/** The linker gets the release that `go.mod` pins. Without it the API server reports the version v0.0.0. */
export async function buildFlags(version: KubernetesVersion): Promise<string[]> {
  const file = join(kubernetesFolders[version], 'go.mod')
  const pinned = /k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\d+)/.exec(await readFile(join(source, file), 'utf8'))
  if (pinned === null) throw new Error(`tools/control-plane/${file} names no k8s.io/kubernetes`)
  const [, release, major, minor] = pinned
  const stamp = 'k8s.io/component-base/version.git'
  const linker = `-s -w -X ${stamp}Version=${release} -X ${stamp}Major=${major} -X ${stamp}Minor=${minor}`
  return ['-mod=readonly', '-trimpath', '-ldflags', linker]
}

/** The name of the cache folder. It changes with versions, checksums, flags and platform, as the programs do. */
export async function buildKey(version: KubernetesVersion): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([await buildFlags(version), process.platform, process.arch]))
  for (const module of ['etcd', kubernetesFolders[version], 'kwok']) {
    for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(join(source, module, file)))
  }
  return hash.digest('hex').slice(0, 16)
}
