{{- define "rtm.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name "rtm" | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "rtm.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "rtm.labels" -}}
{{ include "rtm.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "rtm.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The Secret, or a sentence that says what is missing. */}}
{{- define "rtm.secret" -}}
{{- if .Values.existingSecret -}}
{{ .Values.existingSecret }}
{{- else if not (and .Values.secrets.redisUrl .Values.secrets.tokenSecret) -}}
{{- fail "set existingSecret to a Secret with REDIS_URL and CENTRIFUGO_TOKEN_HMAC_SECRET_KEY, or secrets.redisUrl and secrets.tokenSecret (openssl rand -hex 32 makes one)" -}}
{{- else -}}
{{ include "rtm.name" . }}
{{- end -}}
{{- end -}}

{{/* Settings as environment variables. Numbers without a fraction are written in full. */}}
{{- define "rtm.settings" -}}
{{- range $section, $values := .Values.settings }}
{{- range $name, $value := $values }}
RTM_{{ upper $section }}__{{ upper $name }}: {{ if or (kindIs "slice" $value) (kindIs "map" $value) -}}
{{ toJson $value | quote }}
{{- else if and (kindIs "float64" $value) (eq (floor $value) $value) -}}
{{ printf "%.0f" $value | quote }}
{{- else -}}
{{ toString $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Grace periods, or a sentence when the settings make them too short. */}}
{{- define "rtm.instanceGrace" -}}
{{- $gateway := (.Values.settings.gateway | default dict).shutdown_timeout_seconds | default 10 -}}
{{- $callback := (.Values.settings.callback | default dict).drain_timeout_seconds | default 10 -}}
{{- $needed := add .Values.instance.preStopSleepSeconds (ceil $gateway) (ceil $callback) 4 -}}
{{- if le (int .Values.instance.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "instance.terminationGracePeriodSeconds must be above %d: preStopSleepSeconds, gateway.shutdown_timeout_seconds and callback.drain_timeout_seconds, and 4 s" $needed) -}}
{{- end -}}
{{ .Values.instance.terminationGracePeriodSeconds }}
{{- end -}}

{{- define "rtm.workerGrace" -}}
{{- $drain := (.Values.settings.worker | default dict).drain_timeout_seconds | default 20 -}}
{{- $needed := add (ceil $drain) 5 -}}
{{- if le (int .Values.worker.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "worker.terminationGracePeriodSeconds must be above %d: worker.drain_timeout_seconds and 5 s" $needed) -}}
{{- end -}}
{{ .Values.worker.terminationGracePeriodSeconds }}
{{- end -}}

{{- define "rtm.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "rtm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Pods of one kind on machines and in zones of their own, where there are any. */}}
{{- define "rtm.spread" -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "rtm.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}
