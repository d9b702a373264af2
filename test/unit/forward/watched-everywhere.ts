import { type Watched, watchedIn } from '../../../lib/forward/table/targets.ts'

/** Every namespace of the cluster is watched. */
export const watchedEverywhere: Watched = watchedIn({ namespaces: '*', everywhere: true })
