// Says of Kubernetes manifests on standard input what its API server would refuse, by the server's own code:
// fields it does not know, values it does not take, and pods that its strictest security level keeps out.
// Prints all objects with the server's defaults as one line of JSON each; ends with 1 where anything is wrong.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlreader "k8s.io/apimachinery/pkg/util/yaml"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corev1conversion "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	podsecurity "k8s.io/pod-security-admission/api"
	securitypolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

func main() {
	wrong := false
	documents := yamlreader.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = check(document)
		}
		if err != nil {
			wrong = true
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if wrong {
		os.Exit(1)
	}
}

func check(document []byte) error {
	var kind metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	if kind.Kind == "" {
		return nil
	}
	name := fmt.Sprintf("%s %s", kind.Kind, kind.Name)
	object, err := checked(kind.TypeMeta, document)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	line, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Println(string(line))
	return nil
}

func checked(kind metav1.TypeMeta, document []byte) (any, error) {
	// Not of Kubernetes itself: their fields alone are looked at.
	if kind.APIVersion == "monitoring.coreos.com/v1" {
		objects := map[string]any{
			"ServiceMonitor": &monitoring.ServiceMonitor{},
			"PrometheusRule": &monitoring.PrometheusRule{},
		}
		object, known := objects[kind.Kind]
		if !known {
			return nil, errors.New("there is no such kind")
		}
		return object, yaml.UnmarshalStrict(document, object)
	}
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	object, gvk, err := codecs.UniversalDecoder().Decode(document, nil, nil)
	if err != nil {
		return nil, err
	}
	strategy, namespace, err := strategyOf(object)
	if err != nil {
		return nil, err
	}
	metadata, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	rest.FillObjectMetaSystemFields(metadata)
	resource, _ := meta.UnsafeGuessKindToResource(*gvk)
	ctx := genericrequest.WithRequestInfo(
		genericrequest.WithNamespace(context.Background(), namespace),
		&genericrequest.RequestInfo{
			IsResourceRequest: true,
			Verb:              "create",
			APIGroup:          gvk.Group,
			APIVersion:        gvk.Version,
			Resource:          resource.Resource,
		},
	)
	if err := rest.BeforeCreate(strategy, ctx, object); err != nil {
		return nil, err
	}
	if set, is := object.(*apps.StatefulSet); is {
		if err := restricted(&set.Spec.Template); err != nil {
			return nil, err
		}
	}
	return legacyscheme.Scheme.ConvertToVersion(object, gvk.GroupVersion())
}

func strategyOf(object runtime.Object) (rest.RESTCreateStrategy, string, error) {
	switch o := object.(type) {
	case *apps.StatefulSet:
		return statefulset.Strategy, o.Namespace, nil
	case *core.ConfigMap:
		return configmap.Strategy, o.Namespace, nil
	case *core.Service:
		// The server does so before it looks.
		if o.Spec.ClusterIP == core.ClusterIPNone {
			o.Spec.ClusterIPs = []string{core.ClusterIPNone}
		}
		return service.Strategy, o.Namespace, nil
	case *core.ServiceAccount:
		return serviceaccount.Strategy, o.Namespace, nil
	case *networking.NetworkPolicy:
		return networkpolicy.Strategy, o.Namespace, nil
	case *policy.PodDisruptionBudget:
		return poddisruptionbudget.Strategy, o.Namespace, nil
	}
	return nil, "", errors.New("this program knows no rules for this kind")
}

// What a namespace with pod-security.kubernetes.io/enforce=restricted refuses.
func restricted(template *core.PodTemplateSpec) error {
	var pod corev1.PodTemplateSpec
	if err := corev1conversion.Convert_core_PodTemplateSpec_To_v1_PodTemplateSpec(template, &pod, nil); err != nil {
		return err
	}
	evaluator, err := securitypolicy.NewEvaluator(securitypolicy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	results := evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)
	if result := securitypolicy.AggregateCheckResults(results); !result.Allowed {
		return fmt.Errorf("the security level restricted refuses it: %s", result.ForbiddenDetail())
	}
	return nil
}
