package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reconciler does what examples/hello-controller and its host do, write for write.
type reconciler struct {
	client.Client
	// By uid, the version that a status was last computed from and written: while the cache shows that
	// version, it lags behind the write, which must not be tried again.
	reported sync.Map
}

// Reconcile keeps one ConfigMap in step with its Greeting, and reports.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var greeting Greeting
	if err := r.Get(ctx, request.NamespacedName, &greeting); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if greeting.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	if err := r.apply(ctx, &greeting); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.report(ctx, &greeting)
}

// apply writes the ConfigMap, unless it says what it has to.
func (r *reconciler) apply(ctx context.Context, greeting *Greeting) error {
	key := types.NamespacedName{Namespace: greeting.Namespace, Name: greeting.Name + "-greeting"}
	text := greet(greeting.Spec)
	var held corev1.ConfigMap
	err := r.Get(ctx, key, &held)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && held.Data["text"] == text && metav1.IsControlledBy(&held, greeting) {
		return nil
	}
	owner := metav1ac.OwnerReference().
		WithAPIVersion(groupVersion.String()).WithKind("Greeting").
		WithName(greeting.Name).WithUID(greeting.UID).
		WithController(true)
	wanted := corev1ac.ConfigMap(key.Name, key.Namespace).
		WithOwnerReferences(owner).
		WithData(map[string]string{"text": text})
	return r.Apply(ctx, wanted, client.FieldOwner("native-go"), client.ForceOwnership)
}

// report writes the status with its times, unless only they would differ. The write carries the version
// that it was computed from, so that a late one is refused.
func (r *reconciler) report(ctx context.Context, greeting *Greeting) error {
	now := metav1.NewTime(time.Now().UTC().Truncate(time.Second))
	status := GreetingStatus{
		ObservedGeneration: greeting.Generation,
		UpdatedAt:          now,
		Phase:              "Ready",
		ConfigMapName:      greeting.Name + "-greeting",
		Conditions: []metav1.Condition{{
			Type: "Ready", Status: metav1.ConditionTrue, Reason: "Greeted",
			Message: "the ConfigMap has the greeting", ObservedGeneration: greeting.Generation,
			LastTransitionTime: now,
		}},
	}
	held := greeting.Status
	if len(held.Conditions) == 1 && held.Conditions[0].Status == metav1.ConditionTrue {
		status.Conditions[0].LastTransitionTime = held.Conditions[0].LastTransitionTime
		if held.ObservedGeneration == status.ObservedGeneration &&
			held.Phase == status.Phase && held.ConfigMapName == status.ConfigMapName {
			return nil
		}
	}
	version := greeting.ResourceVersion
	if last, ok := r.reported.Load(greeting.UID); ok && last == version {
		return nil
	}
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": version, "uid": greeting.UID},
		"status":   status,
	})
	if err != nil {
		return err
	}
	if err := r.Status().Patch(ctx, greeting, client.RawPatch(types.MergePatchType, body)); err != nil {
		return err
	}
	r.reported.Store(greeting.UID, version)
	return nil
}

func greet(spec GreetingSpec) string {
	hello := "Hello"
	switch spec.Language {
	case "de":
		hello = "Hallo"
	case "fr":
		hello = "Bonjour"
	}
	return hello + ", " + spec.Name + "!"
}
