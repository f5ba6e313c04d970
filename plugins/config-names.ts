import { schema } from './schema.js'

const KNOWN = Object.keys(schema.properties)

/** What Kubernetes gives each pod for each Service, one that is named symple… among them. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/
const SERVICE_PORT = /^(tcp|udp|sctp):\/\//

/** Letters by which a name may differ from the one that is meant, at most; and of its own, one in three. */
const MAX_DISTANCE = 3

/** A line for each variable that looks like one of the server's, and means nothing to it. */
export function nameWarnings (environment: Readonly<Record<string, string>>): string[] {
  const unknown = Object.entries(environment).filter(([name, value]) =>
    /^SYMPLE_/i.test(name) && !KNOWN.includes(name) && !isServiceLink(name, value))
  return unknown.map(([name]) => {
    const nearest = nearestName(name)
    return `${name} is no variable of symple-server${nearest === undefined ? '' : `: did you mean ${nearest}?`}`
  })
}

function isServiceLink (name: string, value: string): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && SERVICE_PORT.test(value))
}

/** The variable that may be meant by a name; undefined: none is close to it. */
function nearestName (name: string): string | undefined {
  // Nobody says SSL any more.
  const upper = name.toUpperCase().replace('SYMPLE_TLS_', 'SYMPLE_SSL_')
  // Of the original server's, which had more of them.
  if (upper.startsWith('SYMPLE_CORS_')) return 'SYMPLE_ALLOWED_ORIGINS'
  const [nearest] = KNOWN.map(known => ({ known, far: distance(upper, known) })).sort((a, b) => a.far - b.far)
  const allowed = Math.min(MAX_DISTANCE, (name.length - 'SYMPLE_'.length) / 3)
  return nearest!.far <= allowed ? nearest!.known : undefined
}

/** Levenshtein's: how many letters have to be put in, taken out or exchanged. */
function distance (from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...to].entries()) {
      next.push(Math.min(row[j]! + (letter === other ? 0 : 1), row[j + 1]! + 1, next[j]! + 1))
    }
    row = next
  }
  return row.at(-1)!
}
