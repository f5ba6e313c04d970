import { find, h } from '../dom.js'
import type { NodeInfo } from './answers.js'
import type { Api } from './api.js'
import { duration } from './format.js'
import { Problem } from './problem.js'

/** The nodes of the cluster, and how long each counts as alive without another sign of life. */
export class Nodes {
  readonly #api: Api
  readonly #body = find('nodes', HTMLTableSectionElement)
  readonly #count = find('nodes-count', HTMLElement)
  readonly #problem = new Problem('nodes-problem')

  constructor (api: Api) {
    this.#api = api
  }

  async refresh (): Promise<void> {
    await this.#problem.watch(async () => {
      const { nodes } = await this.#api.get<{ nodes: NodeInfo[] }>('nodes', ['nodes'])
      this.#count.textContent = String(nodes.length)
      this.#body.replaceChildren(...nodes.map(row))
    })
  }

  clear (): void {
    this.#body.replaceChildren()
    this.#count.textContent = ''
    this.#problem.show('')
  }
}

function row ({ id, host, pid, started, alive, self, lease }: NodeInfo): HTMLElement {
  const up = (Date.now() - Date.parse(started)) / 1000
  return h('tr', {},
    h('th', { scope: 'row' }, h('code', {}, id), ...self ? [h('span', { class: 'tag' }, 'answers here')] : []),
    h('td', {}, host, h('span', { class: 'detail' }, ` pid ${pid}`)),
    h('td', {}, alive && up >= 0 ? duration(up) : '–'),
    h('td', {}, alive
      ? h('span', { class: 'good' }, lease === null ? 'alone: needs none' : `${lease.toFixed(1)} s left`)
      : h('span', { class: 'bad' }, 'run out')))
}
