import type { ConnectionState, Fault, Frame } from '../../client/index.js'
import { find, h } from '../dom.js'
import type { App } from './app.js'
import { explainEnd } from './explain.js'

const STATES: Record<ConnectionState, string> = {
  idle: 'Not connected', connecting: 'Connecting…', online: 'Online', waiting: 'Waiting to reconnect', closed: 'Not connected'
}

/** The state of the connection; when it has ended, why, what that means, and when it is tried again. */
export function setUpNotice (app: App): void {
  const state = find('state', HTMLElement)
  const notice = find('notice', HTMLElement)
  const text = find('notice-text', HTMLElement)
  const time = find('notice-time', HTMLElement)
  const retry = find('notice-retry', HTMLButtonElement)
  const stop = find('notice-stop', HTMLButtonElement)
  const dismiss = find('notice-dismiss', HTMLButtonElement)
  let ticking: ReturnType<typeof setInterval> | undefined

  find('url', HTMLElement).textContent = app.url
  retry.addEventListener('click', () => { app.connection?.connect() })
  stop.addEventListener('click', () => { app.connection?.close() })
  dismiss.addEventListener('click', hide)
  // The browser knows of a network before the next attempt is due.
  window.addEventListener('online', () => { if (app.connection?.state === 'waiting') app.connection.connect() })

  app.follow(connection => {
    /** The last error since the connection began to end: it says more than a code. */
    let fault: Fault | undefined
    connection.on('error', error => { fault = error })
    connection.on('state', now => {
      state.dataset['state'] = now
      state.textContent = now === 'online' ? `Online as ${connection.peer!.user}` : STATES[now]
      // There may be no room for all of it.
      state.title = state.textContent
      if (now === 'online') {
        fault = undefined
        hide()
      }
      if (now !== 'waiting') stopTicking()
    })
    connection.on('shutdown', (frame: Frame) => {
      const words = typeof frame['message'] === 'string' ? frame['message'] : ''
      show('info', 'The server is shutting down', words, 'It will close this connection in a moment; this page comes back by itself.')
    })
    connection.on('end', ({ code, reason, retryIn }) => {
      const { title, advice } = explainEnd(code)
      const detail = fault === undefined ? reason : `${fault.message} (error ${fault.status})`
      const severity = retryIn !== undefined ? 'warning' : code === 1000 ? 'info' : 'danger'
      show(severity, title, `${detail}${detail === '' ? '' : ' · '}close code ${code}`, advice)
      if (retryIn !== undefined) countDown(Date.now() + retryIn)
      fault = undefined
    })
  })

  function show (severity: 'info' | 'warning' | 'danger', title: string, detail: string, advice: string): void {
    stopTicking()
    notice.dataset['severity'] = severity
    const content = h('div', {}, h('b', {}, title), h('p', { class: 'notice-detail' }, detail), h('p', {}, advice))
    // What has been read out once need not be again after each attempt.
    if (text.textContent !== content.textContent) text.replaceChildren(content)
    notice.hidden = false
    time.hidden = retry.hidden = stop.hidden = true
    dismiss.hidden = false
  }

  function hide (): void {
    stopTicking()
    notice.hidden = true
    text.replaceChildren()
  }

  function countDown (due: number): void {
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((due - Date.now()) / 1000))
      time.textContent = seconds === 0 ? 'Next attempt now' : `Next attempt in ${seconds} s`
    }
    tick()
    ticking = setInterval(tick, 250)
    time.hidden = retry.hidden = stop.hidden = false
    dismiss.hidden = true
  }

  function stopTicking (): void {
    clearInterval(ticking)
    time.hidden = retry.hidden = stop.hidden = true
    dismiss.hidden = false
  }
}
