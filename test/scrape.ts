/** What Prometheus would read: samples by name and labels as they stand there, types and help texts by name. */
export interface Scrape {
  text: string
  samples: Map<string, number>
  types: Map<string, string>
  helps: Map<string, string>
}

/** Reads the metrics of a server. Throws at a line that is not in the text format. */
export async function scrape (origin: string): Promise<Scrape> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const result: Scrape = { text, samples: new Map(), types: new Map(), helps: new Map() }
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, about, subject, words] = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line) ?? []
    const [, key, value] = /^(\w+(?:\{(?:\w+="[^"]*",?)+\})?) ([\d.e+-]+|Nan)$/.exec(line) ?? []
    const [map, name, content] = about === undefined
      ? [result.samples, key, Number(value)] as const
      : [about === 'HELP' ? result.helps : result.types, subject, words!] as const
    if (name === undefined) throw new Error(`not in the text format: ${line}`)
    if (map.has(name)) throw new Error(`twice: ${line}`)
    ;(map as Map<string, string | number>).set(name, content)
  }
  return result
}

/** By how much each of the server's own samples has moved since; those that have not are left out. */
export function moved (before: Scrape, after: Scrape): Record<string, number> {
  const differences = [...after.samples]
    .filter(([name]) => name.startsWith('symple_'))
    .map(([name, value]) => [name, value - (before.samples.get(name) ?? 0)] as const)
  return Object.fromEntries(differences.filter(([, difference]) => difference !== 0))
}
