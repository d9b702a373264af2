import { readFile } from 'node:fs/promises'
import { waitUntil } from '../process/wait.ts'
import { type Api, openApi } from './api.ts'

const readyMs = 60_000

/** Waits until the API server is ready. @returns a client of it */
export async function apiWhenReady(
  certificate: string,
  port: number,
  token: string,
  signal: AbortSignal,
): Promise<Api> {
  let api: Api | undefined
  const isReady = async () => {
    // The API server writes its certificate at its first start, so the file may be missing or incomplete for a moment.
    api = openApi(port, await readFile(certificate, 'utf8'), token)
    return (await api.call('GET', '/readyz', undefined, signal)).status === 200
  }
  await waitUntil('readiness of the API server', readyMs, isReady, signal)
  return api as Api
}

/** The controller-manager works once it has made the first account. Before that the API server refuses every pod. */
export async function firstAccountMade(api: Api, signal: AbortSignal): Promise<void> {
  const path = '/api/v1/namespaces/default/serviceaccounts/default'
  const isMade = async () => (await api.call('GET', path, undefined, signal)).status === 200
  await waitUntil('the first service account', readyMs, isMade, signal)
}
