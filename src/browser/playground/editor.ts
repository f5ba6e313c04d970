import { parseFrame, type Frame } from '../../client/index.js'
import { find, h } from '../dom.js'
import type { App } from './app.js'
import { checkFrame } from './check.js'
import { TEMPLATES } from './templates.js'

/** Sends any JSON. @returns puts a text into the editor */
export function setUpEditor (app: App, sent: (frame: Frame) => void): (text: string) => void {
  const form = find('edit', HTMLFormElement)
  const template = find('template', HTMLSelectElement)
  const json = find('json', HTMLTextAreaElement)
  const words = find('json-check', HTMLElement)
  const send = find('send-json', HTMLButtonElement)
  const modes = [...document.querySelectorAll<HTMLButtonElement>('[data-mode]')]

  template.append(...Object.keys(TEMPLATES).map(name => h('option', {}, name)))
  template.addEventListener('change', start)
  json.addEventListener('input', check)
  json.addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
  })
  find('format', HTMLButtonElement).addEventListener('click', () => {
    if (checkFrame(json.value).verdict !== 'bad') put(JSON.stringify(JSON.parse(json.value), null, 2))
  })
  form.addEventListener('submit', event => {
    event.preventDefault()
    if (send.disabled) return
    // As one line: that is what a client would send.
    const text = JSON.stringify(JSON.parse(json.value))
    const frame = parseFrame(text)
    app.connection!.sendText(text)
    if (frame !== undefined && ['message', 'command', 'event'].includes(frame.type)) sent(frame)
  })
  for (const mode of modes) mode.addEventListener('click', () => { show(mode.dataset['mode']!) })
  app.follow(connection => { connection.on('state', check) })
  start()

  function start (): void {
    put(JSON.stringify(TEMPLATES[template.value], null, 2))
  }

  function put (text: string): void {
    json.value = text
    check()
  }

  function check (): void {
    const { verdict, words: said } = checkFrame(json.value)
    json.setAttribute('aria-invalid', String(verdict === 'bad'))
    words.dataset['verdict'] = verdict
    words.textContent = said
    send.disabled = verdict === 'bad' || !app.online
  }

  function show (shown: string): void {
    for (const mode of modes) mode.setAttribute('aria-pressed', String(mode.dataset['mode'] === shown))
    find('write', HTMLFormElement).hidden = shown !== 'text'
    form.hidden = shown !== 'json'
  }

  return text => {
    show('json')
    put(text)
    json.focus()
  }
}
