package maintenance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/fault"
)

const (
	provider   = "Microsoft.Update.Admin"
	apiVersion = "2016-05-01"
	inProgress = "UpdateInProgress" // state of a location while one of its updates runs
	// maxPlaces bounds how many subscriptions are looked through: an operator has three.
	maxPlaces = 16
)

// Updating names the update that a region is at, empty when there is none. An error when the
// stamp does not tell.
func Updating(ctx context.Context, admin *azure.Client, region string) (string, error) {
	subscriptions, err := admin.Subscriptions(ctx)
	if err != nil {
		return "", err
	}
	var unknown error
	for i, s := range subscriptions {
		if i == maxPlaces {
			break
		}
		place := "/subscriptions/" + s.ID + "/resourceGroups/System." + region + "/providers/" + provider + "/updateLocations"
		found, locations, err := look(ctx, admin, place)
		if err != nil {
			unknown = errors.Join(unknown, err)
			continue
		}
		if found != "" || locations > 0 {
			return found, nil
		}
	}
	if unknown == nil {
		unknown = fault.Newf(fault.SourceInvalid, "no subscription of the operator has an update location of region %s", region)
	}
	return "", unknown
}

// look reads the update locations of a resource group.
func look(ctx context.Context, admin *azure.Client, place string) (update string, locations int, err error) {
	err = each(ctx, admin, place, func(location gjson.Result) error {
		locations++
		state := jsondoc.Member(jsondoc.Member(location, "properties"), "state").String()
		if strings.EqualFold(state, inProgress) && update == "" {
			update = fmt.Sprintf("location %s is %s", jsondoc.Member(location, "name").String(), state)
		}
		return nil
	})
	return update, locations, err
}

func each(ctx context.Context, admin *azure.Client, path string, see func(gjson.Result) error) error {
	pages := admin.List(path, apiVersion, nil)
	defer pages.Close()
	for {
		page, err := pages.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := see(gjson.ParseBytes(item)); err != nil {
				return err
			}
		}
	}
}
