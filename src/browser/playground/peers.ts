import type { Peer } from '../../client/index.js'
import { h } from '../dom.js'

/** How many colours style.css has for avatars. */
const COLOURS = 6

/** A round mark with the first letter of a name, in a colour that the user always has. */
export function avatar ({ user, name }: Pick<Peer, 'user' | 'name'>): HTMLElement {
  const colour = [...user].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)!) % 9973, 7) % COLOURS
  return h('span', { class: `avatar avatar-${colour}`, 'aria-hidden': 'true' }, [...name][0]!.toUpperCase())
}

/** The end of an id: enough to tell apart the peers of one user. */
export function tail (id: string): string {
  return `…${id.slice(-5)}`
}
