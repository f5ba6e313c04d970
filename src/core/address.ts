import { isIP, isIPv4 } from 'node:net'

/** What stands for all that is no address: who can send a proxy anything gets no record of its own for it. */
const UNKNOWN = 'unknown'

/**
 * Under what a client's address is counted: IPv4 as it is, also where it is mapped into IPv6; of IPv6 the /64, in which
 * one subscriber can have all addresses.
 */
export function networkOf (host: string): string {
  if (isIPv4(host)) return host
  if (isIP(host) === 0) return UNKNOWN
  const groups = groupsOf(host.replace(/%.*$/, ''))
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every(group => group === 0)
  if (isMapped) return groups.slice(6).flatMap(group => [group >> 8, group & 0xff]).join('.')
  return `${groups.slice(0, 4).map(group => group.toString(16)).join(':')}::/64`
}

/** The eight numbers of an IPv6 address. */
function groupsOf (address: string): number[] {
  const [head = [], tail] = address.split('::').map(half => half === '' ? [] : half.split(':').flatMap(numbersOf))
  if (tail === undefined) return head
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Its end may be written as IPv4. */
function numbersOf (group: string): number[] {
  if (!group.includes('.')) return [parseInt(group, 16)]
  const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number]
  return [a << 8 | b, c << 8 | d]
}
