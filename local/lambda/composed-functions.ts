export const composedFunctions = ['watch-forwarder', 'reconcile', 'timer', 'sweep', 'publish'] as const
export type ComposedFunction = (typeof composedFunctions)[number]
