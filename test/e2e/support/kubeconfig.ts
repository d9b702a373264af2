import { KubeConfig } from '@kubernetes/client-node'

/** @param paths one file, or several with colons between, as kubectl reads them */
export function readKubeconfig(paths: string): KubeConfig {
  const [first = new KubeConfig(), ...further] = paths.split(':').map(path => {
    const config = new KubeConfig()
    config.loadFromFile(path)
    return config
  })
  for (const each of further) first.mergeConfig(each, true)
  return first
}
