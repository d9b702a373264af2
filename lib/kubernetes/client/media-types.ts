/** What a request sends and wants back. */
export const json = 'application/json'
export const jsonPatch = 'application/json-patch+json'
/** Takes JSON too, since JSON is YAML. */
export const applyPatch = 'application/apply-patch+yaml'
/** Without a second choice: a server that cannot leave the values away must not send them. */
export const metadataOf = {
  object: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
} as const
