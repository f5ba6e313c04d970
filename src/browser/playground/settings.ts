import { isObject, type Json } from '../../client/index.js'

/** What a tab remembers when it is loaded anew. A token is not among it. */
export interface Settings {
  user: string
  name: string
  rooms: string
  status: string
}

const KEY = 'symple-playground'

const FIRST = ['amber', 'azure', 'coral', 'hazel', 'indigo', 'ivory', 'jade', 'mint', 'olive', 'ruby', 'silver', 'teal']
const LAST = ['badger', 'crane', 'falcon', 'finch', 'fox', 'heron', 'lynx', 'marten', 'otter', 'owl', 'robin', 'swift']

/** The settings of this tab; at first a user that no other tab has, in a room where all tabs meet. */
export function loadSettings (): Settings {
  const settings = { user: `${pick(FIRST)}-${pick(LAST)}`, name: '', rooms: 'lobby', status: '' }
  const stored = read()
  for (const key of Object.keys(settings) as Array<keyof Settings>) {
    const value = isObject(stored) ? stored[key] : undefined
    if (typeof value === 'string') settings[key] = value
  }
  return settings
}

export function saveSettings (settings: Settings): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(settings))
  } catch {
    // Where storage is forbidden or full, the tab forgets.
  }
}

function read (): Json {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Json
  } catch {
    return null
  }
}

function pick (words: string[]): string {
  return words[Math.floor(Math.random() * words.length)]!
}
