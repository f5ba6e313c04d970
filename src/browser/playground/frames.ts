import { batched, find, h, keepAtEnd, timeOf } from '../dom.js'
import type { App } from './app.js'
import { FrameStore, matches, type FrameFilter, type SeenFrame } from './frame-store.js'

/** What passes over the wire, as it is. @param edit takes a text to be sent again */
export function setUpFrames (app: App, edit: (text: string) => void): void {
  const list = find('frames', HTMLOListElement)
  const count = find('frames-count', HTMLElement)
  const empty = find('frames-empty', HTMLElement)
  const text = find('frames-filter', HTMLInputElement)
  const direction = find('frames-direction', HTMLSelectElement)
  const pause = find('frames-pause', HTMLButtonElement)
  const follow = keepAtEnd(list)
  const store = new FrameStore()
  let paused = false
  let rendered = 0

  /** Adds what is new, and takes away what the store has forgotten. */
  const render = batched(() => {
    if (paused) return
    const filter: FrameFilter = { direction: direction.value as FrameFilter['direction'], text: text.value }
    const { frames } = store
    const oldest = frames[0]?.number ?? 0
    while (Number(list.firstElementChild?.getAttribute('data-number') ?? oldest) < oldest) list.firstElementChild!.remove()
    list.append(...frames.filter(frame => frame.number > rendered && matches(frame, filter)).map(row))
    follow()
    rendered = store.count
    tellCount()
  })

  const renderAll = () => {
    rendered = 0
    list.replaceChildren()
    render()
  }

  app.follow(connection => {
    connection.on('frame', frame => {
      store.add(frame, new Date())
      if (paused) tellCount()
      else render()
    })
  })
  text.addEventListener('input', renderAll)
  direction.addEventListener('change', renderAll)
  pause.addEventListener('click', () => {
    paused = !paused
    pause.setAttribute('aria-pressed', String(paused))
    render()
  })
  find('frames-clear', HTMLButtonElement).addEventListener('click', () => {
    store.clear()
    rendered = 0
    list.replaceChildren()
    tellCount()
  })

  function tellCount (): void {
    const waiting = store.count - rendered
    count.textContent = store.count === 0 ? '' : paused && waiting > 0 ? `${store.count}, ${waiting} new` : String(store.count)
    empty.hidden = store.count > 0
  }

  function row (frame: SeenFrame): HTMLElement {
    const sent = frame.direction === 'out'
    const details = h('details', {},
      h('summary', {},
        h('time', { datetime: frame.time.toISOString() }, timeOf(frame.time, true)),
        h('span', { class: 'arrow', title: sent ? 'Sent' : 'Received' }, sent ? '↑' : '↓'),
        h('span', { class: 'visually-hidden' }, sent ? 'sent' : 'received'),
        h('b', { class: 'type' }, frame.type),
        h('code', { class: 'raw' }, frame.text)
      )
    )
    // Most are never looked at.
    details.addEventListener('toggle', () => { if (details.childElementCount === 1) details.append(...inside(frame)) })
    return h('li', { class: `frame ${frame.direction}`, 'data-number': String(frame.number) }, details)
  }

  function inside ({ text }: SeenFrame): HTMLElement[] {
    const button = h('button', { type: 'button', class: 'button quiet small' }, 'Edit and send')
    button.addEventListener('click', () => { edit(pretty(text)) })
    return [h('pre', {}, pretty(text)), h('p', { class: 'frame-foot' }, button, `${new TextEncoder().encode(text).length} bytes`)]
  }
}

function pretty (text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
