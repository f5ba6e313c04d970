import { App } from './app.js'
import { setUpChat } from './chat.js'
import { setUpComposer } from './composer.js'
import { setUpEditor } from './editor.js'
import { setUpFrames } from './frames.js'
import { setUpIdentity } from './identity.js'
import { setUpNotice } from './notice.js'
import { setUpPeople, setUpRooms } from './people.js'
import { loadSettings } from './settings.js'

const app = new App()
const showSent = setUpChat(app)
const writeTo = setUpComposer(app, showSent)
const edit = setUpEditor(app, showSent)
setUpIdentity(app, loadSettings())
setUpNotice(app)
setUpRooms(app)
setUpPeople(app, address => {
  show('chat')
  writeTo(address)
})
setUpFrames(app, text => {
  show('chat')
  edit(text)
})

// Where there is no room for all of it at once.
const views = [...document.querySelectorAll<HTMLButtonElement>('[data-show]')]
for (const view of views) view.addEventListener('click', () => { show(view.dataset['show']!) })
app.follow(connection => { connection.on('welcome', () => { if (document.body.dataset['view'] === 'people') show('chat') }) })

function show (view: string): void {
  document.body.dataset['view'] = view
  for (const button of views) button.setAttribute('aria-pressed', String(button.dataset['show'] === view))
}
