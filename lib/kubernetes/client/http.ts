export type Query = Record<string, string | number | boolean | undefined>

export type Headers = Record<string, string | string[] | undefined>

export interface ApiRequest {
  /** Sent as JSON. */
  body?: unknown
  /** Content type of the body; default JSON. */
  contentType?: string
  query?: Query
  accept?: string
  /** Milliseconds for the whole answer, where a usual call's limit does not fit. */
  limitMs?: number
}

/** The answer of the server, also if it is a refusal. `apiError` turns a refusal into an error. */
export interface ApiResponse {
  status: number
  /** Parsed JSON. A string if the server sent no JSON, undefined if it sent nothing. */
  body: unknown
  headers: Headers
}

export interface ApiStream {
  status: number
  headers: Headers
  /** Ends with an error when the connection dies. Leaving it early closes the connection. */
  body: AsyncIterable<Uint8Array>
}

/** The API server over plain HTTP: paths, statuses, JSON. A call without an answer throws `OperatorError`. */
export interface KubernetesClient {
  /** Makes one call, within its limit. */
  request(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    request: ApiRequest,
    signal: AbortSignal,
  ): Promise<ApiResponse>
  /** Sends a GET on a connection of its own. The answer stays open until the server or the caller ends it. */
  stream(path: string, request: Pick<ApiRequest, 'query' | 'accept'>, signal: AbortSignal): Promise<ApiStream>
  /** Ends the kept connections. */
  close(): Promise<void>
}
