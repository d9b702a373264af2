import { fieldManager } from '../../lib/crd/group.ts'
import { collectionPath, objectPath } from '../../lib/kubernetes/client/paths.ts'
import { appliedStatus } from './applied-status.ts'
import type { BareClient } from './bare-client.ts'
import { finalized } from './creator.ts'
import { desiredOf, floor, instance, template, templateName } from './sample.ts'

/** Makes by bare calls what the operator makes for one new instance. The bodies of the calls are prepared before. */
export type Floor = (name: string, signal: AbortSignal) => Promise<void>

const placeholder = { name: 'instance-name', uid: 'instance-uid', version: 'instance-version' }
const by = `?fieldManager=${fieldManager}`

/**
 * Makes seven calls: POST of the instance with its finalizer, GET of the instance and of its template, POST
 * of Secret and Service at the same time, POST of the Deployment, PUT of the status. The operator makes
 * all of them but the first.
 */
export function createFloor(client: BareClient): Floor {
  const model = finalized(instance(floor, placeholder.name, 1))
  const { uid, version: resourceVersion } = placeholder
  const creationTimestamp = '2026-11-21T08:00:00Z'
  const stored = {
    ...model,
    metadata: { ...model.metadata, uid, resourceVersion, creationTimestamp, generation: 1 },
  }
  const desired = desiredOf(stored)
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
  const status = appliedStatus({ instance: stored, template: template(floor), desired, made })
  const children = desired.children.map(({ object }) => ({
    isWorkload: object.kind === 'Deployment',
    path: collectionPath(object, floor) + by,
    text: JSON.stringify(object),
  }))
  const texts = { instance: JSON.stringify(model), status: JSON.stringify({ ...stored, status }) }
  const instancesPath = collectionPath(model, floor)
  const templatePath = objectPath({ ...template(floor), namespace: floor, name: templateName })

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
    const post = (wanted: typeof children) =>
      Promise.all(wanted.map(child => client.call('POST', child.path, filled(child.text), signal)))
    await post(children.filter(child => !child.isWorkload))
    await post(children.filter(child => child.isWorkload))
    await client.call('PUT', `${path}/status${by}`, filled(texts.status), signal)
  }
}
