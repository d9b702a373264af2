import { expect, test } from 'vitest'
import { cidr, contains, formatCidr, parseCidr } from '../../../lib/config/cidr.ts'

test.each([
  '0.0.0.0/0',
  '10.0.0.0/8',
  '255.255.255.255/32',
  '::/0',
  '::1/128',
  'fd00:ec2::254/128',
  '64:ff9b::a00:0/104',
  '2001:db8:0:1::/64',
  '1:2:3:4:5:6:7:8/128',
  'ff00::/8',
])('formatCidr writes %s as it was read', text => {
  expect(formatCidr(cidr(text))).toBe(text)
})

test.each([
  '',
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/08',
  '010.0.0.0/8',
  '10.0.0/8',
  '10.0.0.0/8/8',
  '300.0.0.0/8',
  '10.0.0.1/8',
  '10.0.0.0/33',
  '::/129',
  ':::/1',
  'x/1',
  '1::2::3/64',
  '10.0.0.0/-1',
  'fe80::1/64',
])('parseCidr refuses %j', text => {
  expect(parseCidr(text)).toBeTypeOf('string')
})

test('parseCidr reads the dotted tail of a mapped address', () => {
  expect(formatCidr(cidr('64:ff9b::10.0.0.0/104'))).toBe('64:ff9b::a00:0/104')
})

test('contains compares the addresses of two ranges', () => {
  expect(contains(cidr('172.16.0.0/12'), cidr('172.31.255.255/32'))).toBe(true)
  expect(contains(cidr('172.16.0.0/12'), cidr('172.32.0.0/32'))).toBe(false)
  expect(contains(cidr('::/0'), cidr('10.0.0.0/8'))).toBe(false)
})
