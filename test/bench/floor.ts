import { fieldManager } from '../../lib/crd/group.ts'
import type { KubernetesObject } from '../../lib/crd/objects.ts'
import { collectionPath, objectPath } from '../../lib/kubernetes/client/paths.ts'
import { appliedStatus } from './applied-status.ts'
import type { BareClient } from './bare-client.ts'
import { finalized } from './creator.ts'
import { floor, instance, type Sample, templateName } from './sample.ts'

/** Makes by bare calls what the operator makes for one new instance. The bodies of the calls are prepared before. */
export type Floor = (name: string, signal: AbortSignal) => Promise<void>

/** No key of a label contains one of these. */
const placeholder = { name: 'name-to-fill', uid: 'uid-to-fill', version: 'version-to-fill' }
interface ToPost {
  isWorkload: boolean
  path: string
  text: string
}

const by = `?fieldManager=${fieldManager}`

/**
 * Makes seven calls: POST of the instance with its finalizer, GET of the instance and of its template, POST
 * of Secret and Service at the same time, POST of the Deployment, PUT of the status. The operator makes
 * all of them but the first. The placement `Instance` needs four more: POST of the namespace, and of its two policies and
 * its LimitRange at the same time. The namespace of an event is made by the first call.
 */
export function createFloor(client: BareClient, sample: Sample): Floor {
  const model = finalized(instance(floor, placeholder.name, 1))
  const { uid, version: resourceVersion } = placeholder
  const creationTimestamp = '2026-11-21T08:00:00Z'
  const stored = {
    ...model,
    metadata: { ...model.metadata, uid, resourceVersion, creationTimestamp, generation: 1 },
  }
  const desired = sample.desiredOf(stored)
  const made = desired.children.map(({ object }) => ({
    ...object,
    metadata: {
      ...object.metadata,
      uid: 'child-uid',
      resourceVersion: '1',
      creationTimestamp,
      generation: 1,
    },
  }))
  const status = appliedStatus({ instance: stored, template: sample.template(floor), desired, made })
  const toPost = (object: KubernetesObject): ToPost => ({
    isWorkload: object.kind === 'Deployment',
    path: collectionPath(object, object.metadata.namespace) + by,
    text: JSON.stringify(object),
  })
  const children = desired.children.map(({ object }) => toPost(object))
  const place = sample.placeOf(stored)
  const shared = desired.sharedPolicy === undefined ? [] : [desired.sharedPolicy]
  const placeSteps =
    place === undefined
      ? []
      : [[place.namespace], [...place.contents, ...shared]].map(step => step.map(toPost))
  const texts = { instance: JSON.stringify(model), status: JSON.stringify({ ...stored, status }) }
  const instancesPath = collectionPath(model, floor)
  const templatePath = objectPath({ ...sample.template(floor), namespace: floor, name: templateName })

  let placed: Promise<void> | undefined
  return async (name, signal) => {
    const named = (text: string) => text.replaceAll(placeholder.name, name)
    await client.call('POST', instancesPath, named(texts.instance), signal)
    const path = `${instancesPath}/${name}`
    const { metadata } = JSON.parse(await client.call('GET', path, undefined, signal))
    JSON.parse(await client.call('GET', templatePath, undefined, signal))
    const filled = (text: string) =>
      named(text)
        .replaceAll(placeholder.uid, metadata.uid)
        .replaceAll(placeholder.version, metadata.resourceVersion)
    const post = (wanted: readonly ToPost[]) =>
      Promise.all(wanted.map(({ path, text }) => client.call('POST', filled(path), filled(text), signal)))
    const makePlace = async () => {
      for (const step of placeSteps) await post(step)
    }
    if (placed === undefined || sample.placement === 'Instance') placed = makePlace()
    await placed
    await post(children.filter(child => !child.isWorkload))
    await post(children.filter(child => child.isWorkload))
    await client.call('PUT', `${path}/status${by}`, filled(texts.status), signal)
  }
}
