{{- define "symple.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that "-redis" and "-metrics" fit behind it. */}}
{{- define "symple.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- else if contains (include "symple.name" .) .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "symple.name" .) | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What tells these pods from others: it must never change. Takes the root and a component. */}}
{{- define "symple.selector" -}}
app.kubernetes.io/name: {{ include "symple.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "symple.labels" -}}
{{ include "symple.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* preStop, the drain, what the server allows itself beside the drain (5), and 5 to spare. */}}
{{- define "symple.gracePeriod" -}}
{{- $drain := dig "SYMPLE_DRAIN_SECONDS" 10 .Values.config -}}
{{- add .Values.preStopSeconds (ceil (float64 $drain)) 10 -}}
{{- end -}}

{{/* Where the password of Redis is, or its URL. */}}
{{- define "symple.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "symple.fullname" .)) -}}
{{- end -}}

{{/* The variables that say where Redis is; the URL may hold a password, so it never stands here. */}}
{{- define "symple.redisEnv" -}}
{{- if .Values.redis.enabled -}}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "symple.redisSecret" . }}
      key: password
- name: SYMPLE_REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "symple.fullname" . }}-redis:6379
{{- else if or .Values.redis.url .Values.redis.existingSecret -}}
- name: SYMPLE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "symple.redisSecret" . }}
      key: url
{{- end -}}
{{- end -}}

{{/* Ends with what is wrong where values are right each by itself, but one of them would be passed over. */}}
{{- define "symple.check" -}}
{{- if not .Values.image.repository -}}
{{- fail "There is no public image: build one, push it, and set image.repository to where it is" -}}
{{- end -}}
{{- if and .Values.existingSecret .Values.secrets -}}
{{- fail "Set secrets or existingSecret, not both: with existingSecret, all secret variables are in that secret" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "Set httpRoute.parentRefs to the Gateways that serve the route: without one, no client reaches it" -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (ne .Values.service.type "ClusterIP") (not .Values.networkPolicy.extraIngress) -}}
{{- fail (printf "The network policy lets nobody in through a service of type %s: say in networkPolicy.extraIngress who comes in, or turn networkPolicy.enabled off" .Values.service.type) -}}
{{- end -}}
{{- with .Values.redis -}}
{{- if and .existingSecret (or .password .url) -}}
{{- fail "Set redis.existingSecret, or redis.password or redis.url, not both: with existingSecret, they are in that secret" -}}
{{- else if and .enabled .url -}}
{{- fail "redis.url says where another Redis is: set redis.enabled to false with it" -}}
{{- else if and (not .enabled) .password -}}
{{- fail "redis.password is for the Redis of this chart, and redis.enabled is false: that of another Redis belongs into redis.url" -}}
{{- else if not (or .enabled .url .existingSecret) -}}
{{- with $.Values -}}
{{- if gt (int (ternary .autoscaling.maxReplicas .replicas .autoscaling.enabled)) 1 -}}
{{- fail "Several pods are one server only with Redis: set redis.enabled, redis.url or redis.existingSecret, or turn autoscaling off and set replicas to 1" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A value as the text of a variable. Helm reads numbers as floats, which would print as 4.194304e+06. */}}
{{- define "symple.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- define "symple.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "symple.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
