export const json = 'application/json'
export const jsonPatch = 'application/json-patch+json'
/** Server-side apply. JSON is valid here, since it is YAML. */
export const applyPatch = 'application/apply-patch+yaml'
/** Metadata only. No other type is accepted, so a server that cannot leave out the values sends nothing. */
export const metadataOf = {
  object: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
} as const
