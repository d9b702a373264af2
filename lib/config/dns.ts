export interface DnsTarget {
  namespace: string
  labels: Record<string, string>
  /** The port of the pod, since a NetworkPolicy applies after the translation of the Service's address. */
  port: number
}

export const dnsDefault: DnsTarget = {
  namespace: 'kube-system',
  labels: { 'k8s-app': 'kube-dns' },
  port: 53,
}

const form = /^([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/([^:]+?)(?::(\d{1,5}))?$/
const labelName = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const labelValue = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/

/**
 * Reads `<namespace>/<label>=<value>[,<label>=<value>…][:<port of the pod>]`.
 * @returns the target, or a sentence with the problem
 */
export function parseDns(text: string): DnsTarget | string {
  const [, namespace = '', selector = '', port = '53'] = form.exec(text.trim()) ?? []
  const pairs = selector.split(',').map(pair => pair.trim().split('='))
  const wellFormed = pairs.every(
    ([name = '', value = '', ...rest]) => labelName.test(name) && labelValue.test(value) && rest.length === 0,
  )
  const number = Number(port)
  if (namespace === '' || !wellFormed || number < 1 || number > 65_535)
    return (
      `OPERATOR_DNS is ${JSON.stringify(text.slice(0, 80))}; write the pods that answer DNS as ` +
      'namespace/label=value[,label=value][:port], such as kube-system/k8s-app=kube-dns'
    )
  return { namespace, labels: Object.fromEntries(pairs), port: number }
}
