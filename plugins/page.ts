import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** A page for browsers, with its style and script inside. */
export interface Page {
  /** Whether this client would rather have a page than text. */
  isFor (request: FastifyRequest): boolean
  /** Answers with the page, or says that the client has it already. */
  answer (request: FastifyRequest, reply: FastifyReply): FastifyReply
}

/**
 * Reads a page that `npm run build` has made.
 *
 * @param name of its folder in src/browser
 * @param values of the names in it that stand as {{name}}, in an attribute
 * @throws Error where there is none
 */
export function readPage (name: string, values: Readonly<Record<string, string>> = {}): Page {
  // Wherever this file is, in the sources or compiled.
  const file = readFileSync(new URL(import.meta.resolve(`#pages/${name}.html`)), 'utf8')
  const html = Object.entries(values).reduce((text, [key, value]) => text.replace(`{{${key}}}`, () => value), file)
  const etag = `"${digest(html, 'base64url')}"`
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': contentSecurityPolicy(html),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-cache',
    etag
  }
  return {
    isFor: request => request.headers.accept?.includes('text/html') === true,
    answer: (request, reply) => {
      reply.headers(headers)
      return isKnown(request, etag) ? reply.code(304).send() : reply.send(html)
    }
  }
}

/**
 * The page may run what is in it, talk to this server, and nothing else. `'self'` stands for the WebSocket of this host
 * and port too.
 */
function contentSecurityPolicy (html: string): string {
  const sources = (element: string) => [...html.matchAll(new RegExp(`<${element}\\b[^>]*>(.*?)</${element}>`, 'gs'))]
    .map(([, content]) => `'sha256-${digest(content!, 'base64')}'`).join(' ')
  return [
    'default-src \'none\'',
    `script-src ${sources('script')}`,
    `style-src ${sources('style')}`,
    'img-src data:',
    'connect-src \'self\'',
    'base-uri \'none\'',
    'form-action \'none\'',
    'frame-ancestors \'none\'',
    'require-trusted-types-for \'script\'',
    'trusted-types \'none\''
  ].join('; ')
}

/** A proxy that compresses makes the tag a weak one. */
function isKnown (request: FastifyRequest, etag: string): boolean {
  return request.headers['if-none-match']?.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag) === true
}

function digest (content: string, encoding: 'base64' | 'base64url'): string {
  return createHash('sha256').update(content).digest(encoding)
}
