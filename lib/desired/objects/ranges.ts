import { type Cidr, cidr } from '../../config/cidr.ts'

/** Ranges that no challenge may reach, by RFC 6890 and its registries. */
export const linkLocal = [cidr('169.254.0.0/16'), cidr('fe80::/10')]

/** The instance metadata of AWS over IPv6. Over IPv4 it is link-local. */
export const metadata = [cidr('fd00:ec2::254/128')]

const privateIPv4 = [
  cidr('10.0.0.0/8'),
  cidr('172.16.0.0/12'),
  cidr('192.168.0.0/16'),
  // The shared address space of carriers. Managed clusters use it for pods.
  cidr('100.64.0.0/10'),
  cidr('127.0.0.0/8'),
  cidr('169.254.0.0/16'),
]

/** This network, multicast, reserved and broadcast. Some clusters use 240.0.0.0/4 for pods. */
const otherIPv4 = [cidr('0.0.0.0/8'), cidr('224.0.0.0/4'), cidr('240.0.0.0/4')]

const notInternetIPv6 = [
  cidr('::1/128'),
  cidr('fc00::/7'),
  cidr('fe80::/10'),
  cidr('ff00::/8'),
  // Local NAT64 and 6to4 carry IPv4. Public NAT64 stays open, except for the private ranges below.
  cidr('64:ff9b:1::/48'),
  cidr('2002::/16'),
  ...privateIPv4.map(throughNat64),
]

/** The ranges of both families that are not the internet. */
export const notInternet: readonly Cidr[] = [...privateIPv4, ...otherIPv4, ...notInternetIPv6]

/** The range as NAT64 carries it: an IPv4 address in the last 32 bits after the prefix 64:ff9b::/96 (RFC 6052). */
function throughNat64({ first, last, prefix }: Cidr): Cidr {
  const base = 0x64ff9bn << 96n
  return { family: 6, prefix: 96 + prefix, first: base + first, last: base + last }
}
