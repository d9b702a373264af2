import { fromEnv } from '@aws-sdk/credential-provider-env'

/** Has the name that the clients of the SDK import from their own chain of providers. */
export const defaultProvider = () => fromEnv()
