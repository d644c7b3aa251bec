{{- define "verdict.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "verdict.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "verdict.labels" -}}
{{ include "verdict.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: coordinator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The service by which each node has an address of its own. */}}
{{- define "verdict.nodesService" -}}
{{ include "verdict.fullname" . }}-nodes
{{- end -}}

{{- define "verdict.nodesDomain" -}}
{{ include "verdict.nodesService" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "verdict.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "verdict.heapMiB" -}}
{{- div (mul (int .Values.memoryMiB) 3) 5 -}}
{{- end -}}

{{- define "verdict.hasAccessFile" -}}
{{- if or .Values.access.content .Values.access.configMap .Values.access.secret -}}true{{- end -}}
{{- end -}}

{{- define "verdict.readiness" -}}
{{- default (ternary "/healthz" "/readyz" (not (empty .Values.etcd.parts))) .Values.probes.readiness -}}
{{- end -}}

{{/* What no schema can say: which values go together. */}}
{{- define "verdict.check" -}}
{{- $access := .Values.access -}}
{{- $tls := .Values.tls -}}
{{- $ways := list -}}
{{- range $name := list "tokenSecret" "content" "configMap" "secret" -}}
{{- if index $access $name -}}{{- $ways = append $ways (printf "access.%s" $name) -}}{{- end -}}
{{- end -}}
{{- if $access.insecure -}}{{- $ways = append $ways "access.insecure" -}}{{- end -}}
{{- if gt (len $ways) 1 -}}
{{- fail (printf "Who may do what is said twice: %s. Give one of them." (join " and " $ways)) -}}
{{- end -}}
{{- $certificates := and $tls.secret $tls.clientCa (eq $tls.clientAuth "required") -}}
{{- if and (empty $ways) (not $certificates) -}}
{{- fail "Everyone who reaches the nodes could do everything. Give tls.secret with tls.clientCa, or access.tokenSecret, access.content, access.configMap or access.secret; or set access.insecure." -}}
{{- end -}}
{{- if and $access.nodeTokenKey (not $access.secret) -}}
{{- fail "access.nodeTokenKey is a key of access.secret. Give both." -}}
{{- end -}}
{{- if and (include "verdict.hasAccessFile" .) (not $tls.secret) (not $access.nodeTokenKey) -}}
{{- fail "With an access file and without TLS a node shows others who it is by a token. Give tls.secret, or access.secret with access.nodeTokenKey." -}}
{{- end -}}
{{- if and .Values.etcd.account.user (not .Values.etcd.account.secret) -}}
{{- fail "etcd.account.user needs a password. Give etcd.account.secret." -}}
{{- end -}}
{{- if and .Values.etcd.account.secret (not .Values.etcd.account.user) -}}
{{- fail "etcd.account.secret is the password of a user. Give etcd.account.user." -}}
{{- end -}}
{{- if and .Values.etcd.parts (ne (int .Values.shards) 1) -}}
{{- fail "etcd.parts say how many shards there are. Leave shards out." -}}
{{- end -}}
{{- if and (or .Values.metrics.serviceMonitor.enabled .Values.metrics.prometheusRule.enabled) (not .Values.metrics.enabled) -}}
{{- fail "Without metrics there is nothing to monitor. Set metrics.enabled." -}}
{{- end -}}
{{- end -}}
