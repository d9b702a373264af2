import { type Cidr, cidr } from '../../config/cidr.ts'

/** Where no challenge may reach, and what each range is. Sources: RFC 6890 and its registries. */
export const linkLocal = [cidr('169.254.0.0/16'), cidr('fe80::/10')]

/** Instance metadata of AWS over IPv6; over IPv4 it is link-local. */
export const metadata = [cidr('fd00:ec2::254/128')]

const privateIPv4 = [
  cidr('10.0.0.0/8'),
  cidr('172.16.0.0/12'),
  cidr('192.168.0.0/16'),
  // Shared address space of carriers; managed clusters give it to pods.
  cidr('100.64.0.0/10'),
  cidr('127.0.0.0/8'),
  cidr('169.254.0.0/16'),
]

/** This network, multicast, reserved and broadcast; some clusters give 240/4 to pods. */
const otherIPv4 = [cidr('0.0.0.0/8'), cidr('224.0.0.0/4'), cidr('240.0.0.0/4')]

const notInternetIPv6 = [
  cidr('::1/128'),
  cidr('fc00::/7'),
  cidr('fe80::/10'),
  cidr('ff00::/8'),
  // Forms in which IPv4 travels: local NAT64, 6to4. Public NAT64 stays open but for the private ranges.
  cidr('64:ff9b:1::/48'),
  cidr('2002::/16'),
  ...privateIPv4.map(throughNat64),
]

/** What the internet is not, of both families. */
export const notInternet: readonly Cidr[] = [...privateIPv4, ...otherIPv4, ...notInternetIPv6]

/** RFC 6052: an IPv4 address in the last 32 bits after the well-known prefix 64:ff9b::/96. */
function throughNat64({ first, last, prefix }: Cidr): Cidr {
  const base = 0x64ff9bn << 96n
  return { family: 6, prefix: 96 + prefix, first: base + first, last: base + last }
}
