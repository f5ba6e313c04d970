/** An element of the page that is there from the start. */
export function find<E extends Element> (id: string, kind: new () => E): E {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`The page has no ${kind.name} #${id}`)
  return element
}

/**
 * Makes an element. Children that are strings become text, whatever they hold: what peers send is never markup.
 *
 * @param attributes `true` sets one without a value, `false` and undefined leave it out
 */
export function h<Tag extends keyof HTMLElementTagNameMap> (
  tag: Tag, attributes: Record<string, string | boolean | undefined>, ...children: Array<Node | string>
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children)
  return element
}

/** Characters of a name in a sentence. */
const BRIEF = 60

/** A name as it stands in a sentence, which can be read whatever somebody is called; a title should have all of it. */
export function brief (name: string): string {
  const letters = [...name]
  return letters.length > BRIEF ? `${letters.slice(0, BRIEF - 1).join('')}…` : name
}

/** Some lines of a name, which may be part of what is shown; of a long one, a button that shows all of it, too. */
export function clamped (name: string, ...children: Array<Node | string>): HTMLElement {
  if (brief(name) === name) return h('span', { class: 'clamp', title: name }, ...children)
  const button = h('button', { type: 'button', class: 'clamp', title: name, 'aria-expanded': 'false' }, ...children)
  // Not by the focus: what shrinks when it goes elsewhere pulls that away from under the pointer.
  button.addEventListener('click', () => {
    button.setAttribute('aria-expanded', String(button.getAttribute('aria-expanded') === 'false'))
  })
  return button
}

/** Milliseconds that a change of the page waits for others: a flood of frames must not freeze it. */
const BATCH = 40

/** A function that does its work once for all calls of a short while. */
export function batched (work: () => void): () => void {
  let due = false
  return () => {
    if (due) return
    due = true
    setTimeout(() => {
      due = false
      work()
    }, BATCH)
  }
}

/** Pixels from its end at which a list counts as read to its end. */
const NEAR = 40

/**
 * Has a list of what comes in stay at its end, unless who reads it has scrolled up.
 *
 * @returns to be called when the list has changed
 */
export function keepAtEnd (list: Element): () => void {
  let atEnd = true
  const follow = () => { if (atEnd) list.scrollTop = list.scrollHeight }
  list.addEventListener('scroll', () => { atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR })
  new ResizeObserver(follow).observe(list)
  return follow
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })

/** @param precise with milliseconds */
export function timeOf (date: Date, precise = false): string {
  return TIME.format(date) + (precise ? `.${String(date.getMilliseconds()).padStart(3, '0')}` : '')
}
